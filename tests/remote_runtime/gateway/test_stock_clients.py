"""What is kept for a stock client that is away, and for how long."""

from __future__ import annotations

import pytest

from farcell.remote_runtime.api import SessionId
from farcell.remote_runtime.gateway import stock_clients
from farcell.remote_runtime.gateway.relay import Relay
from farcell.remote_runtime.gateway.stock_clients import REPLACED, StockClients
from farcell.remote_runtime.wire import numbered

from .faces import until


class Socket:
    def __init__(self) -> None:
        self.told: list[bytes] = []
        self.closed: int | None = None

    def deliver(self, data: bytes) -> None:
        self.told.append(data)

    def end(self, code: int, _reason: str) -> None:
        self.closed = code

    def close(self, code: int | None = None, _reason: str | None = None) -> None:
        self.closed = code


@pytest.fixture
def relay() -> Relay:
    return Relay(SessionId("session"))


@pytest.fixture
def clients(relay: Relay) -> StockClients:
    return StockClients(relay)


def tell(relay: Relay, *texts: bytes) -> None:
    for text in texts:
        relay.from_agent(numbered.BROADCAST, numbered.pack(0, 0, text))


def come_and_go(clients: StockClients, session_id: str) -> None:
    socket = Socket()
    clients.leave(clients.come(socket, session_id), socket)


async def test_who_comes_back_gets_everything_in_order_and_then_what_is_new(
    relay: Relay, clients: StockClients
):
    come_and_go(clients, "mine")
    tell(relay, b"1", b"2")
    back = Socket()
    clients.come(back, "mine")
    tell(relay, b"3")
    assert back.told == [b"1", b"2", b"3"]


async def test_nothing_is_kept_for_who_names_no_session_id(relay: Relay, clients: StockClients):
    come_and_go(clients, "")
    assert relay.clients == 0


async def test_only_the_last_that_left_is_remembered(relay: Relay, clients: StockClients):
    first, second = Socket(), Socket()
    one, two = clients.come(first, "one"), clients.come(second, "two")
    clients.leave(one, first)
    assert relay.clients == 1
    clients.leave(two, second)
    assert (relay.clients, clients.away) == (1, 1)


async def test_another_client_drops_what_was_kept(relay: Relay, clients: StockClients):
    come_and_go(clients, "mine")
    tell(relay, b"1")
    come_and_go(clients, "another's")
    back = Socket()
    clients.come(back, "mine")
    assert back.told == []


async def test_a_second_connection_of_a_session_id_closes_the_first(relay: Relay, clients: StockClients):
    first, second = Socket(), Socket()
    one = clients.come(first, "mine")
    clients.come(second, "mine")
    clients.leave(one, first)
    tell(relay, b"1")
    assert (first.closed, first.told, second.told, relay.clients) == (REPLACED, [], [b"1"], 1)


async def test_beyond_its_bound_all_is_dropped(
    relay: Relay, clients: StockClients, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stock_clients, "KEPT_BYTES", 2000)
    come_and_go(clients, "mine")
    tell(relay, b"x" * 1000, b"y" * 1000, b"z")
    assert (relay.clients, clients.away) == (0, 0)
    back = Socket()
    clients.come(back, "mine")
    assert back.told == []


async def test_after_its_time_all_is_dropped(
    relay: Relay, clients: StockClients, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stock_clients, "KEPT_S", 0.0)
    come_and_go(clients, "mine")
    await until(lambda: not clients.away)
    assert relay.clients == 0


async def test_a_client_that_was_cut_off_is_not_remembered(relay: Relay, clients: StockClients):
    socket = Socket()
    client = clients.come(socket, "mine")
    clients.cut_off(client)
    clients.leave(client, socket)
    assert (relay.clients, clients.away) == (0, 0)


async def test_the_leases_end_forgets_who_is_away(relay: Relay, clients: StockClients):
    come_and_go(clients, "mine")
    tell(relay, b"1")
    relay.end(4410, "stopped")
    assert relay.clients == 0
