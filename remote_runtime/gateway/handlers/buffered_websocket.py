"""Tornado's WebSocket protocol with fewer turns of the event loop for each message: a relay's are many and small."""

from __future__ import annotations

import asyncio
import struct
from functools import partial
from typing import Final

from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketHandler, WebSocketProtocol13

PIECE_BYTES: Final = 1 << 16
"""As much as tornado reads at once. What is queued is written when it is as much; a longer message is not copied."""
_FINAL, _TEXT, _BINARY = 0x80, 1, 2


class BufferedWebSocket(WebSocketProtocol13):
    """A server's side, without compression.

    It takes frames from all that has come, and writes at once what one turn of the event loop has queued. What a frame
    is, and which are refused, is left to tornado.
    """

    def __init__(self, handler: WebSocketHandler, like: WebSocketProtocol13) -> None:
        super().__init__(handler, mask_outgoing=False, params=like.params)
        self._ahead = b""
        self._taken = 0  # of what is ahead
        self._queued: list[bytes] = []
        self._queued_bytes = 0
        self._writing_bytes = 0
        self._will_flush = False

    @property
    def unwritten_bytes(self) -> int:
        """Of all that was queued and that the system has not taken yet."""
        return self._queued_bytes + self._writing_bytes

    def queue(self, data: str | bytes) -> None:
        """Sends a message, text or binary, in its order among all that is sent; silent while the connection closes."""
        if self.is_closing():
            return
        opcode, payload = (_TEXT, data.encode()) if isinstance(data, str) else (_BINARY, data)
        self._put(_head(opcode, len(payload)))
        if len(payload) > PIECE_BYTES:
            self._flush()
            self._write(payload)
            return
        self._put(payload)
        if self._queued_bytes > PIECE_BYTES:
            self._flush()
        elif not self._will_flush:
            self._will_flush = True
            asyncio.get_running_loop().call_soon(self._flush_at_turn)

    def _put(self, data: bytes) -> None:
        self._queued.append(data)
        self._queued_bytes += len(data)

    def _flush_at_turn(self) -> None:
        self._will_flush = False
        self._flush()

    def _flush(self) -> None:
        if self._queued_bytes:
            data, self._queued, self._queued_bytes = b"".join(self._queued), [], 0
            self._write(data)

    def _write(self, data: bytes) -> None:
        try:
            written = self.stream.write(data)
        except StreamClosedError:
            return
        self._writing_bytes += len(data)
        written.add_done_callback(partial(self._written, len(data)))

    def _written(self, size: int, _written: asyncio.Future[None]) -> None:
        self._writing_bytes -= size

    # --- what tornado's own half calls ---

    def _write_frame(self, fin: bool, opcode: int, data: bytes, flags: int = 0) -> asyncio.Future[None]:  # noqa: FBT001 (tornado's)
        self._flush()
        return super()._write_frame(fin, opcode, data, flags)

    def _handle_message(self, opcode: int, data: bytes) -> asyncio.Future[None] | None:
        """Who was refused may go on sending until they have heard so: no message of theirs is looked at."""
        if self.server_terminated and opcode in (_TEXT, _BINARY):
            return None
        return super()._handle_message(opcode, data)

    async def _read_bytes(self, n: int) -> bytes:
        """Tornado asks for each part of a frame's head alone: without a turn of the event loop where all is there."""
        while len(self._ahead) - self._taken < n:
            rest = self._ahead[self._taken :]
            missing = n - len(rest)
            self._ahead, self._taken = b"", 0
            more = await self.stream.read_bytes(max(missing, PIECE_BYTES), partial=missing < PIECE_BYTES)
            self._ahead = rest + more
        start, self._taken = self._taken, self._taken + n
        self._wire_bytes_in += n
        return self._ahead[start : self._taken]


def _head(opcode: int, length: int) -> bytes:
    """Of a server's frame: final, not masked."""
    if length < 126:
        return struct.pack("!BB", _FINAL | opcode, length)
    if length < 1 << 16:
        return struct.pack("!BBH", _FINAL | opcode, 126, length)
    return struct.pack("!BBQ", _FINAL | opcode, 127, length)
