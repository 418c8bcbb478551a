"""What is public and what is not, whatever form it comes in."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.gateway.egress.addresses import is_in_any, why_refused

NEVER = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32", "168.63.129.16/32"),
    *("::/128", "::1/128", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "2001:db8::/32", "2002::/16"),
    *("2001::/32", "64:ff9b:1::/48", "100::/64", "fd00:ec2::254/128", "3fff::/20", "4000::/3", "::/96"),
]
v4 = st.ip_addresses(v=4)
v6 = st.ip_addresses(v=6)
never = st.sampled_from(NEVER).flatmap(lambda network: st.ip_addresses(network=network))


def forms(address: IPv4Address) -> list[IPv6Address]:
    """Every IPv6 address that leads to that IPv4 one, or through it."""
    number = int(address)
    return [
        IPv6Address(f"::ffff:{address}"),
        IPv6Address(number),  # compatible
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),  # NAT64
        IPv6Address(int(IPv6Address("64:ff9b:1::")) | number),
        IPv6Address(int(IPv6Address("2002::")) | number << 80),  # 6to4
        IPv6Address(int(IPv6Address("2001::")) | number << 64),  # Teredo, its server
        IPv6Address(int(IPv6Address("2001::")) | number ^ 0xFFFF_FFFF),  # Teredo, its client
    ]


@pytest.mark.parametrize(
    "public",
    ["1.1.1.1", "8.8.8.8", "151.101.0.223", "2606:4700::6810", "2a00:1450:4001::200e", "64:ff9b::808:808"],
)
def test_public_addresses_are(public):
    assert why_refused(ip_address(public)) is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("169.254.169.254", "a cloud's metadata service"),
        ("fd00:ec2::254", "a cloud's metadata service"),
        ("::ffff:169.254.169.254", "a cloud's metadata service"),
        ("64:ff9b::a9fe:a9fe", "a cloud's metadata service"),
        ("100.100.100.200", "a cloud's metadata service"),
        ("168.63.129.16", "a cloud's own service for its machines"),
        ("127.0.0.1", "a loopback address"),
        ("::1", "a loopback address"),
        ("0.0.0.0", "an unspecified address"),
        ("::", "an unspecified address"),
        ("::ffff:0.0.0.0", "an unspecified address"),
        ("10.0.0.1", "a private address"),
        ("fd12::1", "a private address"),
        ("169.254.0.1", "a link-local address"),
        ("fe80::1%eth0", "a link-local address"),
        ("100.64.0.1", "a private address of a provider (CGNAT)"),
        ("224.0.0.1", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("255.255.255.255", "a reserved address"),
        ("2002:7f00:1::", "a 6to4 tunnel's address"),
        ("2001:0:4136:e378::", "a Teredo tunnel's address"),
        ("::7f00:1", "an IPv4-compatible address"),
        ("4000::1", "not a public address"),
    ],
)
def test_the_reason_is_what_the_address_is(address, why):
    assert why_refused(ip_address(address)) == why


@given(never)
def test_nothing_of_what_is_never_public_is_let_through(address):
    assert why_refused(address)


@given(st.one_of(v4, v6))
def test_what_is_let_through_is_global_in_pythons_eyes_too(address):
    if why_refused(address) is None:
        inner = getattr(address, "ipv4_mapped", None) or address
        assert inner.is_global
        assert not inner.is_multicast


@given(st.one_of(v4, never.filter(lambda address: address.version == 4)))
def test_an_ipv4_address_that_is_refused_is_refused_in_every_form(address):
    if why_refused(address):
        assert all(why_refused(form) for form in forms(address))


@given(v4)
def test_a_public_ipv4_address_is_let_through_as_itself_mapped_or_translated_and_in_no_tunnel(address):
    if why_refused(address) is None:
        assert [why_refused(form) is None for form in forms(address)] == [True, False, True, *[False] * 4]


@given(st.ip_addresses(network="10.1.0.0/16"))
def test_a_range_holds_an_address_in_the_forms_that_lead_there(address):
    mapped = IPv6Address(f"::ffff:{address}")
    assert is_in_any(address, [ip_network("10.1.0.0/16")])
    assert is_in_any(mapped, [ip_network("10.1.0.0/16")])
    assert is_in_any(mapped, [ip_network("::ffff:0:0/96")])
    assert not is_in_any(address, [ip_network("10.2.0.0/16"), ip_network("fd00::/8")])
