"""Frames that come in any pieces, and messages that are written together: the same as tornado's own protocol."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketHandler,
    WebSocketProtocol,
    WebSocketProtocol13,
    websocket_connect,
)

from farcell.remote_runtime.gateway.handlers.buffered_websocket import PIECE_BYTES, BufferedWebSocket

from .faces import closed, connection, read, until

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
FINAL = 0x80
MASK = b"\x01\x02\x03\x04"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
LARGE = bytes(3 * PIECE_BYTES + 1)


@dataclass
class Seen:
    """What the server's side has taken, and its protocol."""

    messages: list[str | bytes] = field(default_factory=list)
    protocols: list[BufferedWebSocket] = field(default_factory=list)

    @property
    def protocol(self) -> BufferedWebSocket:
        return self.protocols[-1]


class Handler(WebSocketHandler):
    def initialize(self, seen: Seen) -> None:
        self._seen = seen

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        stock = super().get_websocket_protocol()
        assert isinstance(stock, WebSocketProtocol13)
        return BufferedWebSocket(self, stock)

    def open(self) -> None:
        assert isinstance(self.ws_connection, BufferedWebSocket)
        self._seen.protocols.append(self.ws_connection)

    def on_message(self, message: str | bytes) -> None:
        self._seen.messages.append(message)


@asynccontextmanager
async def server() -> AsyncIterator[tuple[int, Seen]]:
    seen = Seen()
    bound, port = bind_unused_port()
    serving = HTTPServer(Application([("/", Handler, {"seen": seen})]))
    serving.add_sockets([bound])
    try:
        yield port, seen
    finally:
        serving.stop()
        await serving.close_all_connections()


@asynccontextmanager
async def client(port: int, seen: Seen) -> AsyncIterator[WebSocketClientConnection]:
    dialled = await websocket_connect(f"ws://127.0.0.1:{port}/")
    try:
        await until(lambda: seen.protocols)
        yield dialled
    finally:
        await closed(dialled)


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """As a client sends it: masked."""
    first = opcode | (FINAL if final else 0)
    if len(payload) < 126:
        head = struct.pack("!BB", first, 0x80 | len(payload))
    else:
        head = struct.pack("!BBH", first, 0x80 | 126, len(payload))
    return head + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 126, 100_000])
async def test_frames_are_whole_whatever_the_pieces_they_come_in(size: int):
    sent = [b"", b"one", bytes(range(200)), b"x" * 1_000]
    data = b"".join(frame(BINARY, message) for message in sent)
    data += frame(TEXT, b"in ", final=False) + frame(PING, b"still here?") + frame(0, b"two")
    async with server() as (port, seen), connection(port) as (reader, writer):
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await writer.drain()
            await asyncio.sleep(0)
        await until(lambda: len(seen.messages) == len(sent) + 1)
        assert seen.messages == [*sent, "in two"]
        assert await reader.readexactly(13) == struct.pack("!BB", FINAL | 10, 11) + b"still here?"


async def test_frames_that_come_with_the_handshake_are_read():
    async with server() as (port, seen), connection(port) as (_, writer):
        writer.write(UPGRADE + frame(BINARY, b"early"))
        assert await until(lambda: seen.messages) == [b"early"]


async def test_what_is_longer_than_a_piece_is_read_whole():
    async with server() as (port, seen), client(port, seen) as dialled:
        for message in (b"before", LARGE, b"after"):
            await dialled.write_message(message, binary=True)
        await until(lambda: len(seen.messages) == 3)
    assert seen.messages == [b"before", LARGE, b"after"]


async def test_messages_of_one_turn_are_written_together_and_in_order():
    messages: list[str | bytes] = ["text", b"", b"short", b"y" * 200, b"z" * 70_000, LARGE, "last"]
    async with server() as (port, seen), client(port, seen) as dialled:
        writes = count_writes(seen.protocol)
        for _ in range(100):
            seen.protocol.queue(b"line")
        await came(dialled, [b"line"] * 100)
        assert writes == [100 * 6]
        for message in messages:
            seen.protocol.queue(message)
        await came(dialled, messages)


async def test_what_tornado_sends_by_itself_does_not_overtake_what_is_queued():
    async with server() as (port, seen), client(port, seen) as dialled:
        seen.protocol.queue(b"first")
        seen.protocol.write_message("second")
        seen.protocol.queue(b"third")
        seen.protocol.close(4000, "enough")
        seen.protocol.queue(b"behind the close")
        await came(dialled, [b"first", "second", b"third"])
        assert await read(dialled) is None
        assert (dialled.close_code, dialled.close_reason) == (4000, "enough")


async def test_unwritten_bytes_are_those_that_the_other_side_has_not_taken():
    async with server() as (port, seen), connection(port) as (reader, writer):
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        await until(lambda: seen.protocols)
        seen.protocol.queue(b"12345")
        assert seen.protocol.unwritten_bytes == 7
        await reader.readexactly(7)
        await until(lambda: seen.protocol.unwritten_bytes == 0)
        sent = 0
        while seen.protocol.unwritten_bytes < 4 << 20:  # more than sockets hold
            seen.protocol.queue(LARGE)
            sent += 10 + len(LARGE)
            await asyncio.sleep(0)
        await reader.readexactly(sent)
        await until(lambda: seen.protocol.unwritten_bytes == 0)


async def test_a_message_for_a_connection_that_is_gone_is_nobodys():
    async with server() as (port, seen):
        async with client(port, seen):
            seen.protocol.stream.close()
            seen.protocol.queue(b"too late")
            seen.protocol.queue(LARGE)
        assert seen.protocol.unwritten_bytes == 0


def count_writes(protocol: BufferedWebSocket) -> list[int]:
    """The size of each write from now on."""
    sizes: list[int] = []
    write: Callable[[bytes], asyncio.Future[None]] = protocol.stream.write

    def counting(data: bytes) -> asyncio.Future[None]:
        sizes.append(len(data))
        return write(data)

    protocol.stream.write = counting  # type: ignore[method-assign,assignment]
    return sizes


async def came(dialled: WebSocketClientConnection, messages: Sequence[str | bytes]) -> None:
    assert [await read(dialled) for _ in messages] == messages
