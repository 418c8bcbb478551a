"""What changes, told to who listens: a bounded queue for each listener."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from ..api import UserId

QUEUE = 256
"""A listener that is further behind is told to read everything again."""


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` ``session``: the body is the session's JSON; ``reset``: events were lost, read everything again."""

    kind: Literal["session", "reset"]
    owner: UserId | None
    body: dict[str, Any]


class EventBus:
    """Publishing never waits: a listener whose queue is full loses its events and gets one ``reset``."""

    def __init__(self) -> None:
        self._listeners: dict[asyncio.Queue[Event], UserId | None] = {}

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    @contextmanager
    def listen(self, owner: UserId | None) -> Iterator[asyncio.Queue[Event]]:
        """A queue of the events of that owner (of all owners for None)."""
        queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE)
        self._listeners[queue] = owner
        try:
            yield queue
        finally:
            del self._listeners[queue]

    def publish(self, event: Event) -> None:
        for queue, owner in self._listeners.items():
            if owner is None or event.owner is None or owner == event.owner:
                _put(queue, event)


def _put(queue: asyncio.Queue[Event], event: Event) -> None:
    try:
        queue.put_nowait(event)
    except asyncio.QueueFull:
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(Event("reset", None, {}))
