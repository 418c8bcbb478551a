"""Cuts a cell's streams in the middle; pure.

How the pieces of one cell lie then::

    whole messages │ one cut at its end │ nothing │ note, with the end of the message in its place │ whole messages

Where one long message is all that there is, the note has its beginning as well. What comes later for the same cell is
cut again together with these: the beginning stays, the end moves on, the note counts more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..api import json_form
from ..wire import messages
from .entries import Entry, Role
from .format import Kind, Record
from .left_out import LeftOut, StreamText, What, stream_message


def cut_streams(entries: Iterable[Entry], chars: int) -> list[Entry]:
    """All entries, those of streams replaced by what stays of them."""
    cells: dict[str, list[Entry]] = {}
    result: list[Entry] = []
    for entry in entries:
        of_stream = entry.role is Role.STREAM or (entry.note and entry.note.what is What.STREAM)
        (cells.setdefault(entry.cell, []) if of_stream else result).append(entry)
    for pieces in cells.values():
        result += _cut_cell(pieces, chars)
    return sorted(result, key=lambda entry: entry.position)


def _cut_cell(pieces: list[Entry], chars: int) -> list[Entry]:
    head, head_left = _whole(pieces, chars)
    tail, tail_left = _whole(reversed(pieces[head:]), chars)
    middle = pieces[head : len(pieces) - tail]
    if not middle or (len(middle) == 1 and (middle[0].note or _length(middle[0]) <= head_left + tail_left)):
        return pieces
    return [*pieces[:head], *_cut_middle(middle, head_left, tail_left), *pieces[len(pieces) - tail :]]


def _whole(pieces: Iterable[Entry], left: int) -> tuple[int, int]:
    """How many of the first fit as they are, up to a note; and how many characters are left then."""
    count = 0
    for entry in pieces:
        if entry.note is not None or _length(entry) > left:
            break
        count, left = count + 1, left - _length(entry)
    return count, left


def _cut_middle(middle: list[Entry], head_left: int, tail_left: int) -> list[Entry]:
    first, last = middle[0], middle[-1]
    head = _head(first.note.head if first.note else first.piece, head_left)
    tail = _tail(last.note.tail if last.note else last.piece, tail_left)
    note = _counted(middle, head, tail)
    if first is last:
        return [_note_entry(last, replace(note, head=head))]
    return [*([_with_text(first, head)] if head else []), _note_entry(last, note)]


def _counted(middle: list[Entry], head: StreamText | None, tail: StreamText | None) -> LeftOut:
    """The note of what was in the middle, less what stays of it."""
    texts = [text for entry in middle for text in _texts(entry)]
    notes = [entry.note for entry in middle if entry.note is not None]
    lines = sum(map(_lines, texts)) + sum(note.count for note in notes) - _lines(head) - _lines(tail)
    size = sum(map(_size, texts)) + sum(note.size_bytes for note in notes) - _size(head) - _size(tail)
    return LeftOut(What.STREAM, lines, size, middle[0].parent(), tail=tail)


def _texts(entry: Entry) -> list[StreamText | None]:
    return [entry.note.head, entry.note.tail] if entry.note else [entry.piece]


def _head(piece: StreamText | None, chars: int) -> StreamText | None:
    """The first characters, up to the last line end among them."""
    if piece is None:
        return None
    text = piece.text[:chars]
    return _piece(piece.name, text[: text.rfind("\n") + 1] or text)


def _tail(piece: StreamText | None, chars: int) -> StreamText | None:
    """The last characters, from the first line that begins among them."""
    if piece is None or not chars:
        return None
    text = piece.text[-chars:]
    return _piece(piece.name, text[text.find("\n") + 1 :] or text)


def _piece(name: str, text: str) -> StreamText | None:
    return StreamText(name, text) if text else None


def _with_text(entry: Entry, piece: StreamText) -> Entry:
    """The stream message in the entry's place, with less text."""
    if entry.note is not None:
        message = stream_message(entry.position, entry.note.parent, piece)
    else:
        message = replace(messages.unpack(entry.record.body), content=json_form.encode(piece))
    body = messages.pack(message)
    return replace(entry, record=Record(entry.position, Kind.MESSAGE, body, entry.record.client), note=None)


def _note_entry(entry: Entry, note: LeftOut) -> Entry:
    return replace(entry, record=note.record(entry.position), role=Role.NOTE, piece=None, note=note)


def _length(entry: Entry) -> int:
    return len(entry.piece.text) if entry.piece else 0


def _lines(piece: StreamText | None) -> int:
    return piece.text.count("\n") if piece else 0


def _size(piece: StreamText | None) -> int:
    return len(piece.text.encode("utf-8", "surrogatepass")) if piece else 0
