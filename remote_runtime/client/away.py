"""What happened in a session while nobody looked, from its journal; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..journal import Record, UnfinishedCells, replay
from ..wire.messages import KernelMessage, decode, header_of, unpack
from ..wire.numbered import OWN_CLIENTS
from .output import Output, read_output

SHOWN_TYPES = frozenset({"stream", "display_data", "update_display_data", "execute_result", "error"})


@dataclass(frozen=True, slots=True)
class Missed:
    """Output of so many `cells` came since the time `since`, in a lease's journal behind `after` and up to `position`.

    `running` are not over yet.
    """

    cells: int
    since: datetime | None
    running: tuple[str, ...]
    after: int
    position: int


class Absence:
    """Fed with a lease's records behind the position `after`, tells what was missed; keeps none of the outputs."""

    def __init__(self, after: int) -> None:
        self._after = self.position = after
        self._cells = set[str]()
        self._since: datetime | None = None
        self._unfinished = UnfinishedCells()

    def feed(self, records: list[Record]) -> None:
        for header, cell, _ in _shown(records):
            self._cells.add(cell)
            self._since = self._since or _time(header)
        for record in records:
            self._unfinished.feed(record)
            self.position = record.position

    def missed(self) -> Missed:
        return Missed(len(self._cells), self._since, tuple(self._unfinished), self._after, self.position)


def outputs(records: Iterable[Record]) -> Iterator[Output]:
    """What a notebook shows of them, in their order."""
    for header, _, message in _shown(records):
        yield read_output(message, str(header.get("msg_type")))


def _shown(records: Iterable[Record]) -> Iterator[tuple[dict[str, Any], str, KernelMessage]]:
    """Each message that is shown, with its header and its cell's id."""
    for found in replay(records, clients={OWN_CLIENTS}):
        message = unpack(found.message)
        header = header_of(message)
        cell = decode(message.parent_header).get("msg_id")
        if cell and message.channel == "iopub" and header.get("msg_type") in SHOWN_TYPES:
            yield header, str(cell), message


def _time(header: dict[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(header.get("date")))
    except ValueError:
        return None
