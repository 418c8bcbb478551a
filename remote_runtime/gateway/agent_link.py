"""The gateway's end of one agent's link: a stream that outlives its WebSockets."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from typing import Any, Protocol

from ..errors import BadFrame
from ..wire import Message, Priority, Stream

QUEUE_BYTES = 64 << 20
"""What may wait for the agent in all; of normal priority, the stream itself allows less."""


class Socket(Protocol):
    """One of the agent's WebSockets."""

    def write_frame(self, data: bytes, /) -> object: ...

    def close(self, code: int | None = None, reason: str | None = None) -> None: ...


class AgentLink:
    """Queues messages at any time; `connect` gives it a socket to write to, `disconnect` takes it away.

    What the stream has no room for is held here; whoever sends much awaits `room` before, which bounds it.
    """

    def __init__(self) -> None:
        self._stream = Stream(secrets.token_hex(8))
        self._socket: Socket | None = None
        self._held: deque[Message] = deque()
        self._room = asyncio.Event()
        self._closed = False

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def greet(self, peer: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """Takes the agent's hello; returns this side's, and whether nothing of the agent's is remembered.

        Raises `BadFrame` for a stale one: to begin anew then would lose what waits for the agent.
        """
        self.disconnect()
        fresh = self._stream.peer_id is None
        if not self._stream.resume(peer):
            if self._is_stale(peer):
                raise BadFrame("this hello is older than what its agent has said since")
            fresh = True
            self._stream = Stream(secrets.token_hex(8))
            self._stream.resume(peer)
        return self._stream.hello(), fresh

    def _is_stale(self, peer: dict[str, Any]) -> bool:
        """Of the stream that is known, and yet it does not fit: a later connection's hello was faster."""
        return peer.get("stream") == self._stream.peer_id and peer.get("peer") in (None, self._stream.id)

    def connect(self, socket: Socket) -> None:
        self._socket = socket
        self._flush()

    def disconnect(self) -> None:
        self._socket = None
        self._stream.disconnected()

    def take_from(self, socket: Socket) -> None:
        """Closes the socket that it has, if that is another: the agent may see a broken link first, and dial again."""
        if self._socket not in (None, socket):
            old = self._socket
            self.disconnect()
            assert old is not None
            old.close(1008, "the agent has another connection")

    def close(self) -> None:
        """The lease is over: nothing is taken from the agent any more, and nobody waits for room."""
        self._closed = True
        self._held.clear()
        self._room.set()
        if self._socket is not None:
            socket = self._socket
            self.disconnect()
            socket.close(1000, "the lease is over")

    def send(self, message: Message) -> None:
        if message.priority is Priority.HIGH or (self._stream.writable and not self._held):
            self._stream.send(message)
        else:
            self._held.append(message)
        self._flush()

    def receive(self, frame: bytes) -> Message | None:
        """Raises `BadFrame`; the caller then closes the socket."""
        message = self._stream.receive(frame)
        self._flush()
        return message

    def is_written_by(self, socket: Socket) -> bool:
        """Whether that socket is still the one; an old one's close comes after a new one's hello."""
        return self._socket is socket

    async def room(self, priority: Priority = Priority.NORMAL) -> None:
        """Waits until `send` takes a kernel message."""
        while not self._has_room(priority) and not self._closed:
            self._room.clear()
            await self._room.wait()

    def _has_room(self, priority: Priority = Priority.NORMAL) -> bool:
        if self._stream.queued_bytes >= QUEUE_BYTES:
            return False
        return priority is Priority.HIGH or (self._stream.writable and not self._held)

    def acknowledge(self) -> None:
        """Lets the agent forget what has arrived; called every second or so."""
        if self._socket is not None:
            self._stream.acknowledge()
            self._flush()

    def _flush(self) -> None:
        self._write()
        while self._held and self._stream.writable:
            self._stream.send(self._held.popleft())
            self._write()
        self._room.set()

    def _write(self) -> None:
        while self._socket is not None and (frame := self._stream.next_frame()) is not None:
            self._socket.write_frame(frame)
