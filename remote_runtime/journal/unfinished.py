"""Which cells a journal tells to be taken and not to have their reply; pure."""

from __future__ import annotations

from collections.abc import Iterator

from .entries import reply_to
from .format import Kind, Record


class UnfinishedCells:
    """Fed with a lease's records, in their order; gives execute ids in the order in which they were taken."""

    def __init__(self) -> None:
        self._taken: dict[str, None] = {}

    def feed(self, record: Record) -> None:
        if record.kind is Kind.ACCEPTED:
            self._taken[str(record.body, "utf-8", "replace")] = None
        elif record.kind is Kind.MESSAGE and (request := reply_to(record.body)):
            self._taken.pop(request, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._taken)
