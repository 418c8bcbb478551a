"""How long a client looks for a gateway that went away."""

from __future__ import annotations

import pytest

from farcell.remote_runtime.api import Holder
from farcell.remote_runtime.client import user_gateway
from farcell.remote_runtime.client.gateway_client import Address
from farcell.remote_runtime.client.user_gateway import UserGateway
from farcell.remote_runtime.errors import BadRequest, GatewayUnreachable


class Restarting:
    """A gateway that answers, is away for some questions, and answers again."""

    address = Address("http://127.0.0.1:1", "t")

    def __init__(self, away: int) -> None:
        self.away = away
        self.asked = 0

    async def get_json(self, path: str) -> str:
        self.asked += 1
        if 1 < self.asked <= 1 + self.away:
            raise GatewayUnreachable("away")
        if path == "/bad":
            raise BadRequest("bad")
        return path

    def close(self) -> None:
        pass


@pytest.fixture
def gateways(monkeypatch: pytest.MonkeyPatch) -> list[Restarting]:
    """The one that is found whenever one is looked for."""
    known = [Restarting(away=7)]

    async def connect(**_: object) -> Restarting:
        return known[0]

    monkeypatch.setattr(user_gateway, "connect", connect)
    monkeypatch.setattr(user_gateway, "AGAIN_S", 0.001)
    return known


async def test_one_that_has_answered_is_asked_until_it_is_back(gateways):
    gateway = UserGateway(Holder("me", "a test"))
    assert await gateway.get("/first") == "/first"
    assert await gateway.patiently(gateway.get, "/second") == "/second"
    assert gateways[0].asked == 9


async def test_one_that_stays_away_is_given_up(gateways, monkeypatch):
    monkeypatch.setattr(user_gateway, "AWAY_S", 0.05)
    gateways[0].away = 10**9
    gateway = UserGateway(Holder("me", "a test"))
    await gateway.get("/first")
    with pytest.raises(GatewayUnreachable):
        await gateway.patiently(gateway.get, "/second")


async def test_one_that_never_answered_is_given_up_at_once(gateways):
    gateways[0].asked = 1
    gateway = UserGateway(Holder("me", "a test"))
    with pytest.raises(GatewayUnreachable):
        await gateway.patiently(gateway.get, "/first")
    assert gateways[0].asked == 3


async def test_what_it_refuses_is_not_asked_again(gateways):
    gateways[0].away = 0
    gateway = UserGateway(Holder("me", "a test"))
    await gateway.get("/first")
    with pytest.raises(BadRequest):
        await gateway.patiently(gateway.get, "/bad")
    assert gateways[0].asked == 2
