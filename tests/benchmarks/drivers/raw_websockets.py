"""WebSockets for load: as little work as the protocol allows, so that the server is what is measured."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from typing import Self, cast

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_KEY = "AAAAAAAAAAAAAAAAAAAAAA=="

Received = Callable[[list[bytes]], None]
"""Gets the payloads of the messages that came at once."""


class RawWebSocket(asyncio.Protocol):
    """A client's end, without extensions. What it sends is masked with zeros, which leaves it as it is."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._writable = asyncio.Event()
        self._writable.set()
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received: Received = lambda _: None

    @classmethod
    async def connect(cls, where: int | str, target: str, headers: Mapping[str, str]) -> Self:
        """`where` is a port of loopback, or a unix socket's path."""
        lines = [f"GET {target} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {_KEY}", "Sec-WebSocket-Version: 13"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        request = "\r\n".join([*lines, "", ""]).encode()
        loop = asyncio.get_running_loop()
        if isinstance(where, int):
            _, connection = await loop.create_connection(lambda: cls(request), "127.0.0.1", where)
        else:
            _, connection = await loop.create_unix_connection(lambda: cls(request), where)
        await connection.open
        return connection

    def send(self, payload: bytes, opcode: int = BINARY) -> None:
        assert self._transport is not None
        self._transport.write(_head(len(payload), opcode) + payload)

    async def room(self) -> None:
        """Waits while the other side is far behind."""
        await self._writable.wait()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- what asyncio calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._writable.set()
        if not self.open.done():
            self.open.set_exception(error or ConnectionError(self._rest.decode(errors="replace")))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self.open.done():
            head, end, data = data.partition(b"\r\n\r\n")
            if not end or not head.startswith(b"HTTP/1.1 101"):
                self._rest = head + end + data
                return
            self.open.set_result(None)
        payloads, self._rest = self._frames(data)
        if payloads:
            self.received(payloads)

    def _frames(self, data: bytes) -> tuple[list[bytes], bytes]:
        """The payloads of the whole messages, and what is left."""
        payloads, at, size = [], 0, len(data)
        while at + 2 <= size:
            start, length = at + 2, data[at + 1]
            if length == 126:
                start += 2
                length = int.from_bytes(data[at + 2 : start], "big") if start <= size else size
            elif length == 127:
                start += 8
                length = int.from_bytes(data[at + 2 : start], "big") if start <= size else size
            if start + length > size:
                break
            payload, opcode = data[start : start + length], data[at] & 15
            at = start + length
            if opcode == PING:
                self.send(payload, PONG)
            elif opcode in (TEXT, BINARY):
                payloads.append(payload)
        return payloads, data[at:]


def _head(length: int, opcode: int) -> bytes:
    if length < 126:
        return struct.pack("!BBI", 0x80 | opcode, 0x80 | length, 0)
    if length < 1 << 16:
        return struct.pack("!BBHI", 0x80 | opcode, 0x80 | 126, length, 0)
    return struct.pack("!BBQI", 0x80 | opcode, 0x80 | 127, length, 0)
