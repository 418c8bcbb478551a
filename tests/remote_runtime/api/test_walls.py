"""What is asked for around a container: networks and isolations as they are typed, sent and told."""

from __future__ import annotations

import pytest

from farcell.remote_runtime.api import Isolation, Network, Reach, Walls, from_json, to_json
from farcell.remote_runtime.errors import BadRequest


@pytest.mark.parametrize(
    ("typed", "reach", "hosts"),
    [
        ("none", Reach.NONE, ()),
        ("egress", Reach.EGRESS, ()),
        ("pypi.org", Reach.HOSTS, ("pypi.org",)),
        ("PyPI.org, *.huggingface.co,pypi.org", Reach.HOSTS, ("pypi.org", "*.huggingface.co")),
        ("10.1.2.3", Reach.HOSTS, ("10.1.2.3",)),
    ],
)
def test_a_network_is_a_word_or_a_list_of_hosts(typed, reach, hosts):
    network = Network.parse(typed)
    assert (network.reach, network.hosts) == (reach, hosts)
    assert Network.parse(str(network)) == network


@pytest.mark.parametrize(
    "typed", ["", ",", "a b", "pypi.org/simple", "*", "*.*.org", "pypi.org:443", "-a.org", "a" * 254]
)
def test_what_is_no_network_is_refused_with_an_example(typed):
    with pytest.raises(BadRequest, match=r"is no network: write none, egress, or host names"):
        Network.parse(typed)


def test_walls_are_told_as_they_are_typed():
    walls = Walls.parse("sandbox", "pypi.org,*.pythonhosted.org")
    assert str(walls) == "--network pypi.org,*.pythonhosted.org --isolation sandbox"
    assert walls.told == "network pypi.org,*.pythonhosted.org, isolation sandbox"
    assert (str(Walls()), Walls().told) == ("", "")


def test_an_isolation_that_is_none_is_refused_with_those_that_are():
    with pytest.raises(BadRequest, match=r"'vm' is no isolation: it is one of none, container, sandbox"):
        Walls.parse("vm", None)


def test_what_is_left_out_is_what_is_known():
    known = Walls(Isolation.CONTAINER, Network.parse("egress"))
    assert Walls().over(known) == known
    assert Walls.parse(None, "none").over(known) == Walls(Isolation.CONTAINER, Network.parse("none"))
    assert Walls.parse("sandbox", "none").over(known) == Walls.parse("sandbox", "none")


def test_walls_travel_as_texts():
    walls = Walls.parse("sandbox", "none")
    assert to_json(walls) == {"isolation": "sandbox", "network": "none"}
    assert from_json(Walls, to_json(walls)) == walls
    assert from_json(Walls, {}) == Walls()
