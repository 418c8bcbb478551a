"""Which execute requests an agent took, and which of them are answered; pure.

A request that comes again is known here, and is never run again: its reply, when there is one, is in the journal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from .entries import reply_to
from .format import Kind, Record

MAX_FINISHED: Final = 100_000
"""Finished requests that are known: about 20 MB."""


class Execution(NamedTuple):
    """Where a request's records are in the journal; 0: nowhere."""

    accepted: int
    reply: int = 0


class ExecuteTable:
    """Fed with every record, as it is appended or from a reader; feeding one twice changes nothing.

    Of finished requests the oldest are forgotten beyond `max_finished`; those that run never are.
    """

    def __init__(self, records: Iterable[Record] = (), max_finished: int = MAX_FINISHED) -> None:
        self._max_finished = max_finished
        self._running: dict[str, int] = {}
        self._finished: dict[str, Execution] = {}
        for record in records:
            self.feed(record)

    def feed(self, record: Record) -> None:
        if record.kind is Kind.ACCEPTED:
            self._accepted(str(record.body, "utf-8", "replace"), record.position)
        elif record.kind is Kind.MESSAGE and (request := reply_to(record.body)):
            self._replied(request, record.position)

    def get(self, msg_id: str) -> Execution | None:
        """None for a request that was never taken."""
        if msg_id in self._running:
            return Execution(self._running[msg_id])
        return self._finished.get(msg_id)

    def unfinished(self) -> list[str]:
        """In the order in which they were taken. After an agent's death: those whose outcome is unknown."""
        return list(self._running)

    def _accepted(self, msg_id: str, position: int) -> None:
        if msg_id not in self._finished:
            self._running.setdefault(msg_id, position)

    def _replied(self, msg_id: str, position: int) -> None:
        if msg_id in self._finished:
            return
        self._finished[msg_id] = Execution(self._running.pop(msg_id, 0), position)
        if len(self._finished) > self._max_finished:
            del self._finished[next(iter(self._finished))]
