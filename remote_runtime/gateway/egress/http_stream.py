"""HTTP/1.1 over a connection: h11 reads and writes the messages, this moves their bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import h11

from ...piping import Connection

MAX_HEAD_BYTES = 64 << 10
"""Of a request or a response; more is refused."""

Event = h11.Event | type[h11.PAUSED]


def nothing_waits() -> None:
    """Nobody counts how long nothing moves."""


class HttpStream:
    """One side of one connection; `moved` is called whenever bytes have come or gone."""

    def __init__(self, role: type[h11.CLIENT | h11.SERVER], connection: Connection) -> None:
        self.http = h11.Connection(role, max_incomplete_event_size=MAX_HEAD_BYTES)
        self.connection = connection
        self.moved: Callable[[], None] = nothing_waits

    async def receive(self) -> Event:
        """The next event; raises `h11.RemoteProtocolError`, or `OSError`."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self.connection.receive())
            self.moved()
        return cast("Event", event)

    async def send(self, event: h11.Event) -> None:
        """Raises `h11.LocalProtocolError` for what can't be said now, or `OSError`."""
        if data := self.http.send(event):
            await self.connection.send(data)
            self.moved()
