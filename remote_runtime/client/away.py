"""What happened in a session while nobody looked, from its journal; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..journal import ExecuteTable, Record, replay
from ..wire.messages import decode, header_of, unpack
from ..wire.numbered import OWN_CLIENTS
from .output import Output, read_output

SHOWN_TYPES = frozenset({"stream", "display_data", "update_display_data", "execute_result", "error"})


@dataclass(frozen=True, slots=True)
class Missed:
    """`outputs` in the order in which they came, of `cells` cells, since the time `since`; `running` are not over yet.

    `position` is that of the newest record that was looked at.
    """

    cells: int
    since: datetime | None
    outputs: tuple[Output, ...]
    running: tuple[str, ...]
    position: int


def missed(records: Iterable[Record], after: int) -> Missed:
    """From a lease's records behind the position `after`."""
    everything = list(records)
    outputs, cells, since = [], set[str](), None
    for found in replay(everything, after, {OWN_CLIENTS}):
        message = unpack(found.message)
        header = header_of(message)
        msg_type, cell = str(header.get("msg_type")), decode(message.parent_header).get("msg_id")
        if cell and message.channel == "iopub" and msg_type in SHOWN_TYPES:
            outputs.append(read_output(message, msg_type))
            cells.add(str(cell))
            since = since or _time(header)
    position = everything[-1].position if everything else after
    running = tuple(ExecuteTable(everything).unfinished())
    return Missed(len(cells), since, tuple(outputs), running, position)


def _time(header: dict[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(header.get("date")))
    except ValueError:
        return None
