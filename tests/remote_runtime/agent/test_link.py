"""The agent's link over a unix socket, to a small gateway that breaks it, refuses it, and forgets it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from patience import until
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import Application
from tornado.websocket import WebSocketHandler

from farcell.remote_runtime.agent.link import SUBPROTOCOL, GatewayLink, Refused
from farcell.remote_runtime.wire import Kind, Message, Priority, Stream, control


class PlayedGateway:
    """Serves one agent; `refusal` is an HTTP status to answer with instead."""

    def __init__(self, socket: Path) -> None:
        self.refusal: int | None = None
        self.closes_with: int | None = None
        self.dialled: list[str] = []
        self.hellos: list[control.Hello] = []
        self.received: list[Message] = []
        self.stream = Stream("gateway0")
        self.connection: WebSocketHandler | None = None
        self._server = HTTPServer(Application([("/farcell/v1/agents/(.*)/connect", Face, {"gateway": self})]))
        self._server.add_socket(bind_unix_socket(str(socket)))

    def forget(self) -> None:
        """As a restart does."""
        self.stream = Stream(f"{self.stream.id}+")

    def drop(self) -> None:
        assert self.connection is not None
        self.connection.ws_connection.stream.close()  # type: ignore[union-attr]

    def send(self, message: Message) -> None:
        self.stream.send(message)
        self.flush()

    def flush(self) -> None:
        assert self.connection is not None
        while (frame := self.stream.next_frame()) is not None:
            self.connection.write_message(frame, binary=True)

    def bodies(self, kind: Kind = Kind.KERNEL) -> list[bytes]:
        return [message.body for message in self.received if message.kind is kind]

    async def close(self) -> None:
        self._server.stop()
        await self._server.close_all_connections()


class Face(WebSocketHandler):
    def initialize(self, gateway: PlayedGateway) -> None:
        self.gateway = gateway

    async def prepare(self) -> None:
        self.gateway.dialled.append(self.request.headers["Authorization"])
        if self.gateway.refusal is not None:
            self.set_status(self.gateway.refusal)
            self.finish()

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None

    def on_message(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._greet(message)
        elif (whole := self.gateway.stream.receive(message)) is not None:
            self.gateway.received.append(whole)
            self.gateway.flush()

    def _greet(self, text: str) -> None:
        hello = control.decode_from_agent(text)
        assert isinstance(hello, control.Hello)
        self.gateway.hellos.append(hello)
        if self.gateway.closes_with is not None:
            self.close(self.gateway.closes_with, "no")
            return
        stream = self.gateway.stream
        stream.disconnected()
        if not stream.resume(hello.stream):
            self.gateway.forget()
            stream = self.gateway.stream
            stream.resume(hello.stream)
        self.write_message(control.encode(control.Welcome(stream.hello(), 60.0, 300.0, 86_400.0)).decode())
        self.gateway.connection = self
        self.gateway.flush()


class Owner:
    def __init__(self) -> None:
        self.welcomes: list[bool] = []
        self.received_bodies: list[bytes] = []
        self.rooms = 0

    def hello(self, nonce: str, stream: dict[str, Any]) -> control.Hello:
        return control.Hello(nonce, stream)

    def welcomed(self, _welcome: control.Welcome, *, fresh: bool) -> None:
        self.welcomes.append(fresh)

    def received(self, message: Message) -> None:
        self.received_bodies.append(message.body)

    def room(self) -> None:
        self.rooms += 1


class World:
    def __init__(self, socket: Path) -> None:
        self.gateway = PlayedGateway(socket)
        self.owner = Owner()
        self.link = GatewayLink(str(socket), "lease1", lambda: "secret", self.owner)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.link.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def said(body: bytes, kind: Kind = Kind.KERNEL, priority: Priority = Priority.NORMAL) -> Message:
    return Message(kind, 0, body, priority)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "s")
    yield made
    await made.gateway.close()


async def test_the_token_goes_in_the_header_and_messages_both_ways(world):
    async with world.running():
        world.link.send(said(b"early"))
        await until(world.gateway.bodies)
        world.gateway.send(said(b"back"))
        await until(lambda: world.owner.received_bodies)
    assert world.gateway.dialled == ["Bearer secret"]
    assert world.gateway.bodies() == [b"early"]
    assert world.owner.received_bodies == [b"back"]
    assert world.owner.welcomes == [False]


@pytest.mark.parametrize("status", [401, 403, 404, 409, 410, 426])
async def test_a_refusal_that_stays_one_ends_the_link(world, status):
    world.gateway.refusal = status
    with pytest.raises(Refused, match=str(status)):
        await world.link.run()
    assert len(world.gateway.dialled) == 1


async def test_a_gateway_in_trouble_is_dialled_again(world):
    world.gateway.refusal = 503
    async with world.running():
        await until(lambda: len(world.gateway.dialled) > 1)
        world.gateway.refusal = None
        await until(lambda: world.link.connected)


async def test_a_gateway_that_answers_without_a_websocket_is_dialled_again(world):
    world.gateway.refusal = 200
    async with world.running() as running:
        await until(lambda: len(world.gateway.dialled) > 1)
        assert not running.done()


async def test_a_gateway_that_is_not_there_yet_is_found_when_it_is(tmp_path):
    owner = Owner()
    link = GatewayLink(str(tmp_path / "s"), "lease1", lambda: "secret", owner)
    running = asyncio.create_task(link.run())
    await asyncio.sleep(0)
    gateway = PlayedGateway(tmp_path / "s")
    await until(lambda: owner.welcomes)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await gateway.close()


async def test_over_a_link_that_broke_the_stream_goes_on(world):
    async with world.running():
        for number in range(3):
            before = len(world.owner.welcomes)
            world.link.send(said(b"%d" % number))
            await until(lambda: world.link.connected)
            world.gateway.drop()
            await until(lambda before=before: len(world.owner.welcomes) > before)
        await until(lambda: len(world.gateway.bodies()) == 3)
    assert world.gateway.bodies() == [b"0", b"1", b"2"]
    assert set(world.owner.welcomes) == {False}
    assert len({hello.nonce for hello in world.gateway.hellos}) == 1


async def test_a_gateway_that_was_restarted_is_told_again_what_the_agent_told_and_not_what_the_kernel_said(
    world,
):
    async with world.running():
        await until(lambda: world.link.connected)
        world.gateway.refusal = 503
        world.gateway.drop()
        await until(lambda: not world.link.connected)
        world.link.send(said(b"in the journal"))
        world.link.send(said(b"a cell ended", Kind.CONTROL, Priority.HIGH))
        world.gateway.forget()
        world.gateway.refusal = None
        await until(lambda: world.gateway.bodies(Kind.CONTROL))
    assert world.owner.welcomes == [False, True]
    assert world.gateway.bodies(Kind.CONTROL) == [b"a cell ended"]
    assert world.gateway.bodies() == []


async def test_a_gateway_that_closes_before_its_welcome_is_dialled_again(world):
    world.gateway.closes_with = 1001
    async with world.running():
        await until(lambda: len(world.gateway.hellos) > 1)
        world.gateway.closes_with = None
        await until(lambda: world.link.connected)


async def test_a_gateway_that_will_not_take_its_hello_is_not_dialled_again(world):
    world.gateway.closes_with = 1008
    with pytest.raises(Refused, match="no"):
        await world.link.run()
    assert len(world.gateway.hellos) == 1


async def test_garbage_breaks_the_link_and_it_is_made_again(world):
    async with world.running():
        await until(lambda: world.link.connected)
        world.gateway.connection.write_message(b"garbage", binary=True)
        await until(lambda: len(world.owner.welcomes) == 2)
        world.gateway.connection.write_message("a text")
        await until(lambda: len(world.owner.welcomes) == 3)


async def test_a_link_that_is_full_says_when_there_is_room_again(world):
    sent = 0
    while world.link.writable:
        world.link.send(said(bytes(1 << 20)))
        sent += 1
    assert world.owner.rooms == 0
    async with world.running():
        await until(lambda: len(world.gateway.bodies()) == sent)
        assert world.link.writable
        assert world.owner.rooms == 1


async def test_flushed_waits_until_all_has_arrived(world):
    async with world.running():
        await until(lambda: world.link.connected)
        world.link.send(said(b"last"))
        flushed = asyncio.create_task(world.link.flushed())
        await until(world.gateway.bodies)
        world.gateway.stream.acknowledge()
        world.gateway.flush()
        async with asyncio.timeout(60):
            await flushed
