"""Agents at the gateway: whose tokens are taken, what garbage gets, and that nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
from dataclasses import replace

import psutil
import pytest
from tornado.websocket import WebSocketClosedError

from farcell.remote_runtime.gateway.handlers import channels as channels_handler
from farcell.remote_runtime.wire import Kind, Priority, Stream, control
from farcell.remote_runtime.wire.frames import HEAD_BYTES, MAX_PART_BYTES, Frame, pack

from .conftest import NO_AGENT, House
from .faces import Face, close_code, closed, is_error, kernel_message, until
from .played_agent import NONCE, SUBPROTOCOL, dial, hello, lease_of, played, token_of

REFUSED = 1008


def resident_bytes() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


@pytest.fixture
async def session_id(ada: Face) -> str:
    return str((await ada.session()).json["id"])


@pytest.fixture
async def lease_id(ada: Face, session_id: str) -> str:
    return await lease_of(ada, session_id)


# --- tokens ---


@pytest.mark.parametrize("token", ["nonsense", None])
async def test_a_wrong_token_is_refused_and_reported(house: House, lease_id: str, token: str | None, caplog):
    face = Face(house.port, token)
    answer = await face.refused_websocket(f"/farcell/v1/agents/{lease_id}/connect", SUBPROTOCOL)
    assert is_error(answer, 401, "unauthorized")
    assert token is None or f"lease {lease_id}: refused an agent" in caplog.text


async def test_a_users_token_is_no_agents(ada: Face, lease_id: str):
    answer = await ada.refused_websocket(f"/farcell/v1/agents/{lease_id}/connect", SUBPROTOCOL)
    assert is_error(answer, 401, "unauthorized")


async def test_an_agents_token_is_no_users(house: House, ada: Face, lease_id: str):
    agent = Face(house.port, await token_of(house, lease_id))
    assert is_error(await agent.get("/farcell/v1/sessions"), 401, "unauthorized")


async def test_another_leases_token_is_refused(house: House, ada: Face, lease_id: str):
    other = (await ada.session("T4", name="other")).json["id"]
    token = await token_of(house, await lease_of(ada, other))
    face = Face(house.port, token)
    answer = await face.refused_websocket(f"/farcell/v1/agents/{lease_id}/connect", SUBPROTOCOL)
    assert is_error(answer, 401, "unauthorized")


async def test_the_token_of_an_ended_lease_is_refused(
    house: House, ada: Face, session_id: str, lease_id: str
):
    token = await token_of(house, lease_id)
    await ada.delete(f"/farcell/v1/sessions/{session_id}")
    face = Face(house.port, token)
    answer = await face.refused_websocket(f"/farcell/v1/agents/{lease_id}/connect", SUBPROTOCOL)
    assert is_error(answer, 401, "unauthorized")


async def test_a_used_token_is_refused_to_another_and_reported(house: House, lease_id: str, caplog):
    token = await token_of(house, lease_id)
    async with played(house, lease_id) as first:
        second = await dial(house, lease_id, token)
        await second.write_message(control.encode(hello("another-nonce-of-16")).decode())
        code, reason = await close_code(second)
        assert code == REFUSED
        assert "another agent" in str(reason)
        await first.tell(control.Usage(uptime_ms=1))
        assert await first.hear_order(control.LeaseEnd)
    assert f"lease {lease_id}" in caplog.text
    assert token not in caplog.text


async def test_a_used_token_is_refused_also_after_a_restart(open_house):
    async with open_house(agent=NO_AGENT, end=False) as house:
        ada = await house.user("ada")
        lease_id = await lease_of(ada, (await ada.session()).json["id"])
        async with played(house, lease_id) as agent:
            await agent.ready()
            await until(house.gateway.keeper.find(lease_id).ready.is_set)
        token = await token_of(house, lease_id)
    async with open_house(agent=NO_AGENT) as house:
        thief = await dial(house, lease_id, token)
        await thief.write_message(control.encode(hello("another-nonce-of-16")).decode())
        assert (await close_code(thief))[0] == REFUSED
        async with played(house, lease_id, stream=Stream("again")):
            assert house.gateway.keeper.find(lease_id).link.connected


async def test_the_same_nonce_comes_back_and_goes_on(house: House, lease_id: str):
    stream = Stream("played")
    live = house.gateway.keeper.find(lease_id)
    async with played(house, lease_id, stream=stream):
        pass
    stream.disconnected()
    await until(lambda: not live.link.connected)
    live.relay.command(control.Keep(7))
    async with played(house, lease_id, stream=stream) as agent:
        assert (await agent.hear_order(control.Keep)).seconds == 7


async def test_the_same_nonce_takes_over_from_a_link_that_is_not_seen_broken(house: House, lease_id: str):
    token = await token_of(house, lease_id)
    async with played(house, lease_id) as old:
        connection = await dial(house, lease_id, token)
        await connection.write_message(control.encode(hello(NONCE, Stream("new"))).decode())
        assert isinstance(await connection.read_message(), str)
        assert (await old.refused())[0] == REFUSED
        assert house.gateway.keeper.find(lease_id).link.connected
        await closed(connection)


# --- before and in the hello ---


async def test_without_the_subprotocol_it_is_closed(house: House, lease_id: str):
    face = Face(house.port, await token_of(house, lease_id))
    for subprotocols in ((), ("nonsense",)):
        connection = await face.websocket(f"/farcell/v1/agents/{lease_id}/connect", *subprotocols)
        assert (await close_code(connection))[0] == 1002


async def test_what_is_no_websocket_is_told_so(house: House, lease_id: str):
    face = Face(house.port, await token_of(house, lease_id))
    path = f"/farcell/v1/agents/{lease_id}/connect"
    assert is_error(await face.get(path), 400, "bad-request")
    assert is_error(await face.ask("GET", path, b"a body"), 400, "bad-request")
    assert is_error(await face.post(path), 405, "method-not-allowed")


@pytest.mark.parametrize(
    "changed",
    [
        {"Connection": "close"},
        {"Upgrade": "h2c"},
        {"Sec-WebSocket-Version": "99"},
        {"Sec-WebSocket-Version": "13, 8"},
        {"Sec-WebSocket-Key": ""},
    ],
)
async def test_a_handshake_that_is_none_is_told_so_in_the_one_form(
    house: House, lease_id: str, changed: dict[str, str]
):
    face = Face(house.port, await token_of(house, lease_id))
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    path = f"/farcell/v1/agents/{lease_id}/connect"
    assert is_error(await face.get(path, **handshake | changed), 400, "bad-request")


async def test_what_comes_first_must_be_a_hello_that_makes_sense(
    house: House, lease_id: str, caplog: pytest.LogCaptureFixture
):
    """And what is refused has not bound the token."""
    for first in [
        b"a frame",
        pack(Frame(Kind.CONTROL, body=b"{}")),
        "",
        "garbage",
        "[]",
        '{"type":"bye","reason":"stopped","uptime_ms":0}',
        '{"type":"' + "é" * 500 + '"}',
        '{"type":"hello"}',
        '{"type":"hello","nonce":"","stream":{"stream":"a","peer":null,"received":[0,0]}}',
        '{"type":"hello","nonce":"' + "n" * 1000 + '","stream":{"stream":"a","peer":null,"received":[0,0]}}',
        '{"type":"hello","nonce":"0123456789\\u0000bcdef","stream":{"stream":"a","peer":null,"received":[0,0]}}',
        '{"type":"hello","nonce":"0123456789abcdef","stream":{}}',
        '{"type":"hello","nonce":"0123456789abcdef","stream":{"stream":"a","peer":null,"received":[0]}}',
        '{"type":"hello","nonce":"0123456789abcdef","stream":{"stream":"a","peer":null,"received":[0,-1]}}',
        '{"type":"hello","nonce":"0123456789abcdef","wire":0,"stream":{"stream":"a","peer":null,"received":[0,0]}}',
        "[" * 100_000,
    ]:
        connection = await dial(house, lease_id, await token_of(house, lease_id))
        await connection.write_message(first, binary=isinstance(first, bytes))
        code, reason = await close_code(connection)
        assert code == REFUSED, reason
        assert reason, first
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR], first
    async with played(house, lease_id, nonce="the-true-agents-own"):
        pass


async def test_a_frame_of_two_gigabytes_is_refused_before_it_comes(house: House, lease_id: str):
    connection = await dial(house, lease_id, await token_of(house, lease_id))
    stream = connection.protocol.stream
    await stream.write(b"\x82\xff" + (2 << 30).to_bytes(8, "big") + b"mask")
    assert (await close_code(connection))[0] in (1009, None)


async def test_a_message_beyond_a_frame_is_refused(house: House, lease_id: str):
    connection = await dial(house, lease_id, await token_of(house, lease_id))
    await connection.write_message(b"x" * (HEAD_BYTES + MAX_PART_BYTES + 1), binary=True)
    assert (await close_code(connection))[0] in (1009, None)


# --- after the hello ---


GARBAGE = [
    b"",
    b"\xff" * 1000,
    pack(Frame(Kind.CONTROL, seq=99, body=b"{}")),
    pack(Frame(Kind.ACK, seq=99)),
    pack(Frame(Kind.CONTROL, Priority.HIGH, seq=1, body=b"garbage")),
    pack(Frame(Kind.CONTROL, Priority.HIGH, seq=1, body=b'{"type":"nonsense"}')),
    pack(Frame(Kind.CONTROL, Priority.HIGH, seq=1, body=b'{"type":"bye","reason":"boredom","uptime_ms":1}')),
    pack(Frame(Kind.CONTROL, Priority.HIGH, seq=1, body=b'{"type":"usage","uptime_ms":1e400}')),
    pack(Frame(Kind.CONTROL, Priority.HIGH, seq=1, body=b'{"type":"usage","uptime_ms":%d}' % 10**30)),
    pack(
        Frame(
            Kind.CONTROL,
            Priority.HIGH,
            seq=1,
            body=b'{"type":"cell","execute_id":"a","number":null,"started_ms":%d}' % (1 << 63),
        )
    ),
    pack(Frame(Kind.CONTROL, Priority.HIGH, seq=1, body=b"[" * 100_000)),
    pack(Frame(Kind.CONTROL, Priority.HIGH, seq=1, body=control.encode(hello()))),
    "a text that is no hello",
]


async def test_garbage_closes_the_link_and_nothing_else(
    house: House, ada: Face, session_id: str, lease_id: str, caplog: pytest.LogCaptureFixture
):
    async with played(house, lease_id) as agent:
        await agent.ready()
        await ada.until_state(session_id, "idle")
    for number, garbage in enumerate(GARBAGE):
        async with played(house, lease_id, stream=Stream(f"stream-{number}")) as agent:
            await agent.connection.write_message(garbage, binary=isinstance(garbage, bytes))
            code, reason = await agent.refused()
            assert (code, bool(reason)) == (REFUSED, True), garbage
        assert await ada.state(session_id) == "idle"
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR], caplog.text
    async with played(house, lease_id, stream=Stream("the-last")) as agent:
        await agent.tell(control.Status(busy=True, idle={}))
        await ada.until_state(session_id, "busy")


async def test_an_agent_attests_no_more_than_has_passed(
    house: House, ada: Face, session_id: str, lease_id: str
):
    async with played(house, lease_id) as agent:
        await agent.ready()
        await agent.tell(control.Usage(uptime_ms=10**12))
        await agent.hear_order(control.LeaseEnd)
        await ada.until_state(session_id, "idle")
        assert (await ada.get(f"/farcell/v1/sessions/{session_id}")).json["lease"]["attested_ms"] < 60_000
        await agent.tell(control.Usage(uptime_ms=-5))
        await agent.hear_order(control.LeaseEnd)
    bill = (await ada.get("/farcell/v1/bill")).json
    assert 0 <= bill["simulated_nanos"] < 60 * 1_100_000


async def test_a_cell_that_no_database_takes_is_not_kept(
    house: House, ada: Face, session_id: str, lease_id: str
):
    """Its time is charged all the same."""
    async with played(house, lease_id) as agent:
        await agent.ready()
        for execute_id, number in [("zero\0byte", 1), ("l" * 5000, 1), ("large", 1 << 40), ("good", 1)]:
            await agent.tell(control.Cell(execute_id, number, started_ms=0, ended_ms=1, status="ok"))
        await agent.tell(control.Usage(uptime_ms=5))
        await agent.hear_order(control.LeaseEnd)
        bill = (await ada.get("/farcell/v1/bill")).json
    assert [line["execute_id"] for line in bill["lines"]] == ["good", None]
    assert bill["simulated_nanos"] > 0


async def test_nothing_is_charged_after_the_end(house: House, ada: Face, session_id: str, lease_id: str):
    async with played(house, lease_id) as agent:
        await agent.ready()
        await ada.until_state(session_id, "idle")
        live = house.gateway.keeper.find(lease_id)
        stopping = asyncio.create_task(ada.delete(f"/farcell/v1/sessions/{session_id}"))
        await agent.hear_order(control.Stop)
        await agent.tell(control.Bye("stopped", 1))
        await stopping
        billed = (await ada.get("/farcell/v1/bill")).json
        house.gateway.keeper.attested(live, 10**9)
        assert (await agent.refused())[0] == 1000
    assert (await ada.get("/farcell/v1/bill")).json == billed


async def test_repeated_garbage_does_not_fill_the_memory(house: House, lease_id: str):
    token = await token_of(house, lease_id)

    async def annoy() -> None:
        connection = await dial(house, lease_id, token)
        await connection.write_message(b"\xff" * (HEAD_BYTES + MAX_PART_BYTES), binary=True)
        await close_code(connection)

    logging.disable()  # what captures the log keeps the errors, and with them what they are about
    for _ in range(20):
        await annoy()
    before = resident_bytes()
    for _ in range(200):
        await annoy()
    assert resident_bytes() - before < 25 << 20
    logging.disable(logging.NOTSET)


# --- between clients and the agent ---


async def test_what_clients_send_before_the_agent_comes_waits_for_it(
    house: House, ada: Face, session_id: str, lease_id: str
):
    """More than the link's own queue holds."""
    async with ada.channels(session_id) as channels:
        texts = [f"{number} " + "x" * (1 << 20) for number in range(30)]
        for text in texts:
            await channels.send("execute_request", {"code": text})
        live = house.gateway.keeper.find(lease_id)
        await until(lambda: live.relay.relayed == len(texts))
        async with played(house, lease_id) as agent:
            heard = [(await agent.hear_kernel()).body for _ in texts]
    assert [text[:3].encode() in body for text, body in zip(texts, heard, strict=True)] == [True] * len(texts)


async def test_too_much_before_the_agent_comes_closes_who_sent_it(
    house: House, ada: Face, session_id: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("farcell.remote_runtime.gateway.relay.WAITING_BYTES", 100_000)
    async with ada.channels(session_id) as other, ada.channels(session_id) as channels:
        await channels.send("execute_request", {"code": "x" * 200_000})
        code, reason = await close_code(channels.connection)
        assert (code, "wait for the container" in str(reason)) == (1007, True)
        await other.send("execute_request", {"code": "1"})
        live = house.gateway.keeper.live[session_id]
        await until(lambda: live.relay.relayed == 2 and live.relay.clients == 1)


async def test_a_million_tiny_messages_are_bounded_too(
    house: House, ada: Face, session_id: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("farcell.remote_runtime.gateway.relay.WAITING_BYTES", 1 << 20)
    async with ada.channels(session_id) as channels:
        tiny = kernel_message("comm_msg", {})
        sent = 0
        while channels.connection.close_code is None and sent < 100_000:
            with contextlib.suppress(WebSocketClosedError):
                await channels.connection.write_message(tiny, binary=True)
            sent += 1
        assert (await close_code(channels.connection))[0] == 1007


async def test_a_client_that_is_ahead_of_its_agent_waits_and_is_freed_by_the_end(
    house: House, ada: Face, session_id: str, lease_id: str
):
    async with played(house, lease_id) as agent:
        await agent.ready()
        await ada.until_state(session_id, "idle")
        async with ada.channels(session_id) as channels:
            live = house.gateway.keeper.find(lease_id)
            live.link.disconnect()  # nothing is acknowledged any more
            message = kernel_message("execute_request", {"code": "x" * (1 << 20)})
            written = [channels.connection.write_message(message, binary=True) for _ in range(40)]
            await until(lambda: not live.link._has_room())
            house.gateway.keeper.times = replace(house.gateway.keeper.times, stop_s=0.1)
            await house.gateway.end_all_leases()
            assert (await close_code(channels.connection))[0] == 4410
            await asyncio.wait(written)
            assert any(one.exception() for one in written)
            assert not any(one.cancelled() for one in written)


async def test_a_slow_client_is_cut_off_and_others_go_on(
    house: House, ada: Face, session_id: str, lease_id: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(channels_handler, "MAX_BEHIND_BYTES", 8 << 20)
    async with (
        played(house, lease_id) as agent,
        ada.channels(session_id) as quick,
        ada.channels(session_id) as slow,
    ):
        output = kernel_message("stream", {"name": "stdout", "text": "x" * (1 << 20)}, "iopub")
        live = house.gateway.keeper.find(lease_id)
        for number in range(40):
            await agent.say(0, output)
            told = await quick.read()
            assert told is not None
            assert told.type == "stream", number
        assert (await close_code(slow.connection))[0] == 1013
        await until(lambda: live.relay.clients == 1)


async def test_messages_go_to_the_client_that_they_are_for(
    house: House, ada: Face, session_id: str, lease_id: str
):
    async with (
        played(house, lease_id) as agent,
        ada.channels(session_id) as one,
        ada.channels(session_id) as two,
    ):
        await one.send("kernel_info_request", {})
        asked = await agent.hear_kernel()
        await agent.say(asked.client, kernel_message("kernel_info_reply", {"to": "one"}))
        await agent.say(0, kernel_message("status", {"to": "all"}, "iopub"))
        await agent.say(999, kernel_message("status", {"to": "nobody"}, "iopub"))
        assert [(await one.read()).content for _ in range(2)] == [{"to": "one"}, {"to": "all"}]
        assert (await two.read()).content == {"to": "all"}


async def test_header_bytes_pass_unchanged(house: House, ada: Face, session_id: str, lease_id: str):
    """Also what no one else would write so: the front end's own bytes are its execute id."""
    message = kernel_message("execute_request", {"code": "ü\u2028"})
    async with played(house, lease_id) as agent, ada.channels(session_id) as channels:
        await channels.connection.write_message(message, binary=True)
        assert (await agent.hear_kernel()).body == message
        assert json.loads(message[message.index(b"{") : message.index(b"}") + 1])
