"""The gateway's end of one agent's link: a stream that outlives its WebSockets."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

from ..wire import Message, Stream

Write = Callable[[bytes], None]


class AgentLink:
    """Queues messages at any time; `connect` gives it a socket to write to, `disconnect` takes it away."""

    def __init__(self) -> None:
        self._stream = Stream(secrets.token_hex(8))
        self._write: Write | None = None
        self._room = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._write is not None

    def greet(self, peer: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """Takes the agent's hello; returns this side's, and whether nothing of the agent's is remembered."""
        self.disconnect()
        fresh = self._stream.peer_id is None
        if not self._stream.resume(peer):
            fresh = True
            self._stream = Stream(secrets.token_hex(8))
            self._stream.resume(peer)
        return self._stream.hello(), fresh

    def connect(self, write: Write) -> None:
        self._write = write
        self._flush()

    def disconnect(self) -> None:
        self._write = None
        self._stream.disconnected()

    def send(self, message: Message) -> None:
        self._stream.send(message)
        self._flush()

    def receive(self, frame: bytes) -> Message | None:
        """Raises `BadFrame`; the caller then closes the socket."""
        message = self._stream.receive(frame)
        self._flush()
        return message

    def is_written_by(self, write: Write) -> bool:
        """Whether that socket is still the one; an old one's close comes after a new one's hello."""
        return self._write == write

    async def room(self) -> None:
        """Waits until `send` takes a kernel message."""
        while not self._stream.writable:
            self._room.clear()
            await self._room.wait()

    def acknowledge(self) -> None:
        """Lets the agent forget what has arrived; called every second or so."""
        if self._write is not None:
            self._stream.acknowledge()
            self._flush()

    def _flush(self) -> None:
        while self._write is not None and (frame := self._stream.next_frame()) is not None:
            self._write(frame)
        if self._stream.writable:
            self._room.set()
