"""Who holds a session: one of our own clients, until another takes it over; and what long messages come as."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import pytest
from tornado.websocket import WebSocketClientConnection

from farcell.remote_runtime.api import LeaseId
from farcell.remote_runtime.wire import Kind, Message, numbered
from farcell.remote_runtime.wire.numbered import BY_JOURNAL_BYTES, NUDGE, TAKEN_OVER

from .conftest import NO_AGENT, House
from .faces import Face, close_code, closed, is_error, kernel_message, read, until
from .played_agent import lease_of, played

OWN = "farcell.client.v1"


@pytest.fixture
async def session_id(ada: Face) -> str:
    return str((await ada.session()).json["id"])


@pytest.fixture
async def lease_id(ada: Face, session_id: str) -> LeaseId:
    return await lease_of(ada, session_id)


def path(session_id: str, client: str, *, take: bool = False, name: str | None = None) -> str:
    who = {"client": client, "name": client if name is None else name} | ({"take": "1"} if take else {})
    return f"/api/kernels/{session_id}/channels?{urlencode(who)}"


@asynccontextmanager
async def own(
    face: Face, session_id: str, client: str, *, take: bool = False, name: str | None = None
) -> AsyncIterator[WebSocketClientConnection]:
    connection = await face.websocket(path(session_id, client, take=take, name=name), OWN)
    try:
        yield connection
    finally:
        await closed(connection)


async def holder(face: Face, session_id: str) -> object:
    told = (await face.get(f"/farcell/v1/sessions/{session_id}")).json["holder"]
    return told and told["client"]


async def test_who_takes_a_session_over_closes_who_had_it_and_says_its_name(ada: Face, session_id: str):
    async with (
        own(ada, session_id, "one") as first,
        own(ada, session_id, "two", take=True, name="zwei ü.ipynb") as second,
    ):
        assert await close_code(first) == (TAKEN_OVER, "zwei ü.ipynb")
        assert await holder(ada, session_id) == "two"
        await second.write_message(kernel_message("execute_request", {}), binary=True)


async def test_a_long_name_is_cut_and_not_in_the_middle_of_a_letter(ada: Face, session_id: str):
    async with own(ada, session_id, "one") as first, own(ada, session_id, "2", take=True, name="ü" * 500):
        code, reason = await close_code(first)
        assert (code, reason) == (TAKEN_OVER, "ü" * 60)


async def test_who_comes_back_meanwhile_is_refused_and_told_by_whom(ada: Face, session_id: str):
    async with own(ada, session_id, "one", take=True), own(ada, session_id, "two", take=True):
        refused = await ada.refused_websocket(path(session_id, "one"), OWN)
        assert is_error(refused, 409, "taken-over")
        assert refused.json["details"] == {"by": "two"}
        assert await holder(ada, session_id) == "two"


async def test_the_same_client_has_as_many_connections_as_it_likes(ada: Face, session_id: str):
    async with own(ada, session_id, "one") as first, own(ada, session_id, "one", take=True):
        await first.write_message(kernel_message("execute_request", {}), binary=True)
        async with own(ada, session_id, "one"):
            assert first.close_code is None


async def test_stock_clients_and_those_that_say_no_nonce_share_a_session(
    house: House, ada: Face, session_id: str
):
    live = house.gateway.desk._keeper.live[session_id]
    old = await ada.websocket(f"/api/kernels/{session_id}/channels", OWN)
    async with ada.channels(session_id), own(ada, session_id, "one"), own(ada, session_id, "two", take=True):
        await until(lambda: live.relay.clients == 3)
        async with ada.channels(session_id):
            assert await holder(ada, session_id) == "two"
            await until(lambda: live.relay.clients == 4)
    await closed(old)


async def test_a_stock_client_cannot_say_that_it_takes_a_session(ada: Face, session_id: str):
    async with own(ada, session_id, "one"):
        await closed(await ada.websocket(path(session_id, "two", take=True)))
        assert await holder(ada, session_id) == "one"


async def test_another_users_session_is_not_taken(ada: Face, bob: Face, session_id: str):
    async with own(ada, session_id, "one"):
        refused = await bob.refused_websocket(path(session_id, "two", take=True), OWN)
        assert is_error(refused, 404, "session-not-found")
        assert await holder(ada, session_id) == "one"


async def test_what_the_first_sent_and_no_agent_has_is_not_run(
    house: House, ada: Face, session_id: str, lease_id: LeaseId
):
    live = house.gateway.keeper.find(lease_id)
    async with own(ada, session_id, "one") as first:
        await first.write_message(kernel_message("execute_request", {"code": "first"}), binary=True)
        await until(lambda: live.relay.relayed == 1)
        async with own(ada, session_id, "two", take=True) as second:
            await second.write_message(kernel_message("execute_request", {"code": "second"}), binary=True)
            await until(lambda: live.relay.relayed == 2)
            async with played(house, lease_id) as agent:
                assert b"second" in (await agent.hear_kernel()).body


async def test_a_restarted_gateway_knows_who_has_the_session(open_house):
    async with open_house(agent=NO_AGENT, end=False) as house:
        ada = await house.user("ada")
        session_id = (await ada.session()).json["id"]
        await lease_of(ada, session_id)
        async with own(ada, session_id, "one"), own(ada, session_id, "two", take=True):
            pass
    async with open_house(agent=NO_AGENT) as house:
        ada = await house.user("ada")
        assert is_error(await ada.refused_websocket(path(session_id, "one"), OWN), 409, "taken-over")
        async with own(ada, session_id, "two"):
            assert await holder(ada, session_id) == "two"


async def test_a_session_that_begins_anew_is_nobodys(ada: Face, session_id: str, lease_id: LeaseId):
    async with own(ada, session_id, "one"):
        await ada.delete(f"/farcell/v1/sessions/{session_id}")
    await ada.until_state(session_id, "stopped")
    await ada.session()
    assert await holder(ada, session_id) is None
    async with own(ada, session_id, "two"):
        assert await holder(ada, session_id) == "two"


async def test_a_long_message_comes_as_the_place_where_it_is_in_the_journal(
    house: House, ada: Face, session_id: str, lease_id: LeaseId
):
    long = kernel_message("display_data", {"data": "x" * BY_JOURNAL_BYTES}, "iopub")
    async with (
        played(house, lease_id) as agent,
        own(ada, session_id, "one") as client,
        ada.channels(session_id) as stock,
    ):
        for previous, position in ((6, 7), (7, 0)):
            await agent.send(Message(Kind.KERNEL, 0, numbered.pack(previous, position, long)))
            await agent.flush()
        assert await read(client) == numbered.pack(7, NUDGE, b"")
        unwritten = numbered.unpack(bytes(await read(client)))  # type: ignore[arg-type]
        assert (unwritten.position, bytes(unwritten.message)) == (0, long)
        assert [(await stock.read()).type for _ in range(2)] == ["display_data"] * 2
