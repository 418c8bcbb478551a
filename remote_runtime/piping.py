"""Bytes between two connections, in both directions at once: bounded, half-closed as they are, and never for ever."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

PIECE_BYTES = 64 << 10
READ_AHEAD_BYTES = 32 << 10
"""A reader's `limit`; asyncio stops reading at twice that, so a slow side costs about this much and one piece."""
CLOSE_S = 10.0


@dataclass(slots=True)
class Connection:
    """One end, and how many bytes have come from it and gone to it."""

    reader: StreamReader
    writer: StreamWriter
    received: int = 0
    sent: int = 0

    async def receive(self) -> bytes:
        """Empty at the end; raises `OSError`."""
        data = await self.reader.read(PIECE_BYTES)
        self.received += len(data)
        return data

    async def send(self, data: bytes) -> None:
        """Returns when the other side has taken most of it."""
        self.writer.write(data)
        self.sent += len(data)
        await self.writer.drain()

    def send_end(self) -> None:
        with contextlib.suppress(OSError):  # gone already
            self.writer.write_eof()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """What went wrong breaks the connection, so that nobody takes it for a good end."""
        if kind is None:
            await self.close()
        else:
            self.abort()

    async def close(self) -> None:
        """What was sent still goes out; what nobody takes in time is dropped. May be called twice."""
        try:
            with contextlib.suppress(OSError):
                async with asyncio.timeout(CLOSE_S):
                    self.writer.close()
                    await self.writer.wait_closed()
        finally:
            self.abort()

    def abort(self) -> None:
        """The other side sees at once that something is wrong, as far as its kind of socket can say that."""
        self.writer.transport.abort()


class Idle(TimeoutError):
    """Nothing has moved for too long."""


@asynccontextmanager
async def not_idle(idle_s: float) -> AsyncIterator[Callable[[], None]]:
    """Gives a function to be called whenever something moves; raises `Idle` when it was not called for `idle_s`."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(idle_s) as patience:
            yield lambda: patience.reschedule(loop.time() + idle_s)
    except TimeoutError as error:
        if patience.expired():
            raise Idle from error
        raise


async def pipe(one: Connection, other: Connection, idle_s: float) -> None:
    """Until both have ended; an end that breaks breaks the other. Raises `Idle` after `idle_s` without a byte."""
    async with not_idle(idle_s) as moved, asyncio.TaskGroup() as tasks:
        tasks.create_task(_pump(one, other, moved))
        tasks.create_task(_pump(other, one, moved))


async def _pump(source: Connection, sink: Connection, moved: Callable[[], None]) -> None:
    try:
        while data := await source.receive():
            moved()
            await sink.send(data)
            moved()
    except OSError:
        source.abort()
        sink.abort()
    else:
        sink.send_end()
