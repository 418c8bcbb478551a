"""Which names, ports and addresses a session's network opens."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.api import Network
from farcell.remote_runtime.errors import BadRequest
from farcell.remote_runtime.gateway.egress.policy import (
    EgressRules,
    PrivatePlaces,
    Target,
    matches,
    why_not_asked,
    why_not_there,
)

NOBODY = EgressRules()


def asked(network: str, host: str, port: int = 443, rules: EgressRules = NOBODY) -> str | None:
    return why_not_asked(Target.parse(host, port), Network.parse(network), rules)


def there(host: str, *addresses: str, private: tuple[str, ...] = (), own: tuple[str, ...] = ()) -> str | None:
    rules = EgressRules(private=PrivatePlaces.parse(private))
    found = [ip_address(address) for address in addresses]
    return why_not_there(Target.parse(host, 443), found, rules, {ip_address(address) for address in own})


@pytest.mark.parametrize(
    ("pattern", "host", "is_matched"),
    [
        ("pypi.org", "pypi.org", True),
        ("pypi.org", "evil-pypi.org", False),
        ("pypi.org", "files.pypi.org", False),
        ("*.hf.co", "cdn.hf.co", True),
        ("*.hf.co", "a.b.hf.co", True),
        ("*.hf.co", "hf.co", False),
        ("*.hf.co", "evilhf.co", False),
        ("*.hf.co", "cdn.hf.co.evil.org", False),
        ("*.1", "127.0.0.1", False),
    ],
)
def test_a_pattern_is_a_host_or_all_below_one(pattern, host, is_matched):
    assert matches(pattern, host) is is_matched


def test_egress_is_every_host_on_the_webs_ports():
    assert asked("egress", "pypi.org") is None
    assert asked("egress", "pypi.org", 80) is None
    assert asked("egress", "8.8.8.8") is None


def test_a_list_is_its_hosts_and_no_other():
    assert asked("pypi.org,*.pythonhosted.org", "files.pythonhosted.org") is None
    assert asked("pypi.org", "PyPI.org.") is None
    assert asked("pypi.org,a.org,b.org,c.org,d.org,e.org,f.org", "evil.org") == (
        "it is not among this session's hosts (pypi.org, a.org, b.org, c.org, d.org and 2 more): --network takes more"
    )
    assert "not among" in (asked("pypi.org", "8.8.8.8") or "")
    assert asked("8.8.8.8", "8.8.8.8") is None


def test_none_is_nothing():
    assert "--network egress" in (asked("none", "pypi.org") or "")


def test_other_ports_are_the_operators_to_open():
    why = "port 22 is not let through (only 80, 443): the gateway's operator can add it"
    assert asked("egress", "github.com", 22) == why
    assert asked("egress", "github.com", 22, EgressRules(frozenset({22}))) is None


@pytest.mark.parametrize("addresses", [("10.0.0.1",), ("8.8.8.8", "10.0.0.1"), ("10.0.0.1", "2606:4700::1")])
def test_one_private_address_refuses_a_name(addresses):
    assert there("a.org", *addresses) == "it leads to a private address, which no --network opens"


def test_an_address_is_refused_as_itself():
    assert there("127.0.0.1", "127.0.0.1") == "it is a loopback address, which no --network opens"


def test_the_gateways_own_machine_is_refused_also_where_it_is_public():
    assert there("a.org", "8.8.8.8", own=("8.8.4.4",)) is None
    why = "it leads to an address of the gateway's own machine, which no --network opens"
    assert there("a.org", "8.8.8.8", own=("8.8.8.8",)) == why
    assert there("a.org", "::ffff:8.8.8.8", own=("8.8.8.8",)) == why
    assert there("a.org", "8.8.8.8", own=("8.8.8.8",), private=("a.org",)) is None


def test_an_operator_opens_private_places_by_name_or_range():
    assert there("pypi.corp", "10.0.0.1", private=("pypi.corp",)) is None
    assert there("pypi.corp", "10.0.0.1", private=("*.corp",)) is None
    assert there("pypi.corp", "10.0.0.1", private=("10.0.0.0/24",)) is None
    assert there("10.0.0.1", "10.0.0.1", private=("10.0.0.1",)) is None
    assert there("pypi.corp", "10.0.0.1", "10.0.1.1", private=("10.0.0.0/24",)) is not None
    assert there("other.corp", "10.0.0.1", private=("pypi.corp",)) is not None


@pytest.mark.parametrize("text", ["10.0.0.1/24", "a b", "http://pypi.corp", "pypi.corp/24", "", "*"])
def test_what_is_no_private_place_is_refused(text):
    with pytest.raises(BadRequest, match="neither a host nor an address range"):
        PrivatePlaces.parse([text])


@pytest.mark.parametrize("host", ["", "a b", "a\r\nb", "é.org", "a..b", "-a.org", "a" * 254, "[::1", "::1::"])
def test_what_is_no_host_is_refused(host):
    with pytest.raises(BadRequest):
        Target.parse(host, 443)


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_what_is_no_port_is_refused(port):
    with pytest.raises(BadRequest):
        Target.parse("a.org", port)


@pytest.mark.parametrize(
    ("host", "told"),
    [("A.Org.", "a.org:443"), ("[2606:4700::1]", "[2606:4700::1]:443"), ("1.1.1.1", "1.1.1.1:443")],
)
def test_a_target_is_told_in_one_form(host, told):
    assert str(Target.parse(host, 443)) == told


@given(st.text(max_size=60), st.integers(-10, 70000))
def test_whatever_is_asked_a_target_is_plain_ascii_in_lower_case(host, port):
    try:
        target = Target.parse(host, port)
    except BadRequest:
        return
    assert target.host.isascii()
    assert target.host == target.host.lower()
    assert not set(target.host) & set(" \r\n\t/@?#")
