"""What compaction left out: the note in the journal, and what a front end shows in its place; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..api import json_form
from ..wire import messages
from ..wire.messages import KernelMessage
from .format import Bytes, Kind, Record


class What(StrEnum):
    """What a note counts."""

    STREAM = "stream"
    """Text of one cell, between `head` and `tail`."""
    OUTPUTS = "outputs"
    """Displays and results of one cell."""
    EVERYTHING = "everything"
    """Messages of cells so old that the policy keeps only their replies, and not all of these."""


@dataclass(frozen=True, slots=True)
class StreamText:
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The body of a LEFT_OUT record, as JSON. It stands where the last of what it counts stood."""

    what: What
    count: int
    """Lines of a stream, else messages."""
    size_bytes: int
    """Of a stream's text in UTF-8, else of the messages."""
    parent: dict[str, Any] = field(default_factory=dict)
    """The cell's header, as in the parent header of its outputs; empty in a note of everything."""
    head: StreamText | None = None
    """The text before the gap, of a message that was cut on both sides; see `policy`."""
    tail: StreamText | None = None
    """The text after the gap, of a message of which the end was kept."""

    def record(self, position: int) -> Record:
        return Record(position, Kind.LEFT_OUT, json_form.encode(self))


def left_out(body: Bytes) -> LeftOut:
    """Reads a note; raises `BadRequest` for what is none."""
    return json_form.from_json(LeftOut, json_form.decode(bytes(body)))


def note_message(record: Record) -> KernelMessage:
    """A small display under the cell that says what is missing at this place."""
    note = left_out(record.body)
    content = {"data": {"text/plain": sentence(note)}, "metadata": {}, "transient": {}}
    header = _header(record.position, "display_data", note.parent)
    return messages.encode("iopub", header, note.parent, None, content)


def note_messages(record: Record) -> Iterator[KernelMessage]:
    """All that a front end gets for a LEFT_OUT record: the text before the gap, the note, the text after it."""
    note = left_out(record.body)
    if note.head is not None:
        yield stream_message(record.position, note.parent, note.head)
    yield note_message(record)
    if note.tail is not None:
        yield stream_message(record.position, note.parent, note.tail, "tail")


def stream_message(
    position: int, parent: dict[str, Any], piece: StreamText, part: str = "head"
) -> KernelMessage:
    header = _header(position, f"stream-{part}", parent) | {"msg_type": "stream"}
    return messages.encode("iopub", header, parent, None, {"name": piece.name, "text": piece.text})


def sentence(note: LeftOut) -> str:
    """``… 12,345 lines (1.2 MB) left out here``."""
    noun = {What.STREAM: "line", What.OUTPUTS: "output", What.EVERYTHING: "message"}[note.what]
    counted = f"{note.count:,} {noun}{'' if note.count == 1 else 's'} ({size_text(note.size_bytes)})"
    return f"… {counted}{' of older cells' if note.what is What.EVERYTHING else ''} left out here"


def size_text(size_bytes: int) -> str:
    """``999 B``, ``1.2 MB``: three digits are enough."""
    size, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" or size >= 9.95 else f"{size:.1f} {unit}"


def _header(position: int, msg_type: str, parent: dict[str, Any]) -> dict[str, Any]:
    """As the kernel would have made it; the same for a record however often it is asked for."""
    return {
        "msg_id": f"farcell-journal-{position}-{msg_type}",
        "msg_type": msg_type,
        "session": parent.get("session", ""),
        "username": parent.get("username", ""),
        "date": parent.get("date", "1970-01-01T00:00:00Z"),
        "version": parent.get("version", "5.4"),
    }
