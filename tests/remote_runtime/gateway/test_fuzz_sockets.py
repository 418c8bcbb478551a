"""Garbage on the gateway's WebSockets closes who sent it, with a code and a reason, and concerns nobody else."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis.strategies import SearchStrategy
from soaking import share
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError

from farcell.remote_runtime.gateway.handlers.channels import OWN_SUBPROTOCOL
from farcell.remote_runtime.wire import Stream, control

from .conftest import NO_AGENT, House
from .faces import V1, Face, close_code, connection, kernel_message
from .garbage import examples, frames, hellos, kernel_messages, legacy_messages
from .innocent import innocent
from .played_agent import dial, lease_of, played, token_of

FEW = 60
MANY = share(3_000)
MALFORMED, REFUSED = 1007, 1008
FINAL = b"and at last what is surely garbage"
"""So that a connection whose garbage was none is closed too."""

Open = Callable[[], Awaitable[WebSocketClientConnection]]


@pytest.fixture
async def quiet(open_house, caplog: pytest.LogCaptureFixture) -> AsyncIterator[House]:
    """A gateway that logs no fault of its own, and a line or two for each connection."""
    async with open_house(agent=NO_AGENT) as house, innocent(house):
        yield house
    faults = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not faults, faults


async def ended(socket: WebSocketClientConnection, garbage: str | bytes) -> tuple[int | None, str | None]:
    """With which code and reason garbage ends a connection."""
    with contextlib.suppress(WebSocketClosedError):
        for one in (garbage, FINAL):
            await socket.write_message(one, binary=isinstance(one, bytes))
    return await close_code(socket)


@pytest.mark.parametrize(
    ("subprotocols", "strategy"),
    [((V1,), kernel_messages), ((OWN_SUBPROTOCOL,), kernel_messages), ((), legacy_messages)],
    ids=["v1", "own", "legacy"],
)
@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.soak("WebSockets", seeds=MANY))])
async def test_on_channels(
    quiet: House, subprotocols: tuple[str, ...], strategy: SearchStrategy[str | bytes], count: int, caplog
):
    mallory = await quiet.user("mallory")
    session_id = (await mallory.session("T4")).json["id"]
    async with played(quiet, await lease_of(mallory, session_id)) as agent:
        await agent.ready()
        for garbage in examples(strategy, count):
            channels = await mallory.websocket(f"/api/kernels/{session_id}/channels", *subprotocols)
            code, reason = await ended(channels, garbage)
            assert (code, bool(reason)) == (MALFORMED, True), garbage
        assert await mallory.state(session_id) == "idle"
    assert len(caplog.records) < 3 * count


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.soak("WebSockets", seeds=MANY))])
async def test_in_place_of_a_hello(quiet: House, count: int, caplog):
    mallory = await quiet.user("mallory")
    lease_id = await lease_of(mallory, (await mallory.session("T4")).json["id"])
    token = await token_of(quiet, lease_id)
    for garbage in examples(hellos, count):
        code, reason = await ended(await dial(quiet, lease_id, token), garbage)
        assert (code, bool(reason)) == (REFUSED, True), garbage
    assert len(caplog.records) < 3 * count


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.soak("WebSockets", seeds=MANY))])
async def test_on_a_greeted_agents_link(quiet: House, count: int, caplog):
    """What it says of its own session may be nonsense that holds; its session goes on, and its bill stays in bounds."""
    mallory = await quiet.user("mallory")
    session_id = (await mallory.session("T4")).json["id"]
    lease_id = await lease_of(mallory, session_id)
    for number, garbage in enumerate(examples(frames, count)):
        async with played(quiet, lease_id, stream=Stream(f"stream-{number}"), is_mad=True) as agent:
            with contextlib.suppress(WebSocketClosedError):
                for one in (garbage, FINAL):
                    await agent.connection.write_message(one, binary=isinstance(one, bytes))
            code, reason = await agent.refused()
            assert (code, bool(reason)) == (REFUSED, True), garbage
    async with played(quiet, lease_id, stream=Stream("the-last")) as agent:
        await agent.ready()
        await agent.tell(control.Status(busy=False, idle={}))  # some of what it said may have been "busy"
        await mallory.until_state(session_id, "idle")
    assert (await mallory.get("/farcell/v1/bill")).status == 200
    assert len(caplog.records) < 3 * count


# --- below messages: what is no WebSocket frame ---

BROKEN = [
    b"\x83\x80mask",  # an opcode that nobody has
    b"\xf2\x80mask",  # reserved bits
    b"\x81\x05hello",  # not masked
    b"\x80\x80mask",  # goes on with what never began
    b"\x09\x80mask",  # a ping in parts
    b"\x89\xfe\x01\x00mask" + b"x" * 256,  # a ping that is too long
    b"\x81\x82\0\0\0\0\xff\xfe",  # a text that is none
    b"\x88\x81\0\0\0\0\x03",  # half a code to close with
    b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xffmask",  # more bytes than there are
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
]


async def broken(socket: WebSocketClientConnection, data: bytes) -> None:
    """Writes below the WebSocket, ends what it can, and waits for the gateway to close."""
    await socket.protocol.stream.write(data)
    await close_code(socket)


@pytest.mark.parametrize("subprotocols", [(V1,), (OWN_SUBPROTOCOL,), ()], ids=["v1", "own", "legacy"])
async def test_broken_frames_on_channels(quiet: House, subprotocols: tuple[str, ...]):
    mallory = await quiet.user("mallory")
    session_id = (await mallory.session("T4")).json["id"]
    for data in BROKEN:
        await broken(await mallory.websocket(f"/api/kernels/{session_id}/channels", *subprotocols), data)
    assert await mallory.state(session_id) == "starting"


async def test_broken_frames_on_an_agents_link(quiet: House):
    mallory: Face = await quiet.user("mallory")
    session_id = (await mallory.session("T4")).json["id"]
    lease_id = await lease_of(mallory, session_id)
    for data in BROKEN:
        await broken(await dial(quiet, lease_id, await token_of(quiet, lease_id)), data)
    assert await mallory.state(session_id) == "starting"


# --- between a refusal and the end of the connection ---


def handshake(face: Face, path: str, *lines: str) -> bytes:
    return "\r\n".join(
        [
            f"GET {path} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: Bearer {face.token}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            *lines,
            "",
            "",
        ]
    ).encode()


def masked(message: bytes) -> bytes:
    """A client's frame around a short binary message."""
    return b"\x82" + bytes([0x80 | 126]) + len(message).to_bytes(2, "big") + b"\0\0\0\0" + message


@pytest.mark.parametrize("subprotocol", [V1, OWN_SUBPROTOCOL, None])
async def test_who_was_refused_and_does_not_go_harms_nobody(quiet: House, subprotocol: str | None):
    """What they still send is not looked at, and what is still for them does not break their kernel's link."""
    mallory = await quiet.user("mallory")
    session_id = (await mallory.session("T4")).json["id"]
    asked = kernel_message("kernel_info_request", {})
    lines = [f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []
    async with (
        played(quiet, await lease_of(mallory, session_id)) as agent,
        mallory.channels(session_id) as channels,
        connection(quiet.port) as (reader, writer),
    ):
        await agent.ready()
        writer.write(handshake(mallory, f"/api/kernels/{session_id}/channels", *lines))
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(masked(FINAL) + masked(asked))
        assert await reader.readexactly(1) == b"\x88", "a close frame, which is never answered"
        await agent.say(0, kernel_message("status", {"execution_state": "busy"}, "iopub"))
        told = await channels.read()
        assert told is not None
        assert told.type == "status"
        theirs = await channels.send("kernel_info_request", {})
        heard = await agent.hear_kernel()
        assert theirs.encode() in heard.body
