"""What a journal keeps when it has become too long; pure. Records go in, fewer come out, positions ascend.

Step 1, `compact`, for each of the oldest segments together with the compacted one before it:

- Kept always: replies, errors, accepted requests, and each cell's input, begin and end.
- Gone without a note, for nothing else would be seen: an update of a display or of a widget's state that a later one
  replaces, and the busy and idle of requests that are no cells.
- Of each cell's streams the first and the last `stream_chars` characters, cut at line ends; a note between them.
- Of other outputs as many as fit in `outputs_share` of the segment's size: those over `large_bytes` go first, then the
  small, both oldest first; a note for each cell.

Step 2, `drop`, for the oldest compacted segments: one note of everything, and the newest accepted requests and their
replies that fit, so that old cells stay known.

A note stands where the last of what it counts stood: whoever had read up to a place before it learns of the gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .entries import Entry, Role, look_at, reply_to
from .format import Kind, Record, packed_size
from .left_out import LeftOut, What
from .stream_cut import cut_streams


@dataclass(frozen=True, slots=True)
class Policy:
    stream_chars: int = 32_768
    outputs_share: float = 1 / 8
    large_bytes: int = 4_096


def compact(older: Sequence[Record], newer: Sequence[Record], policy: Policy) -> list[Record]:
    """`older` has been compacted before and is only joined with what follows; `newer` is exact."""
    entries = _without_needless([look_at(record) for record in (*older, *newer)])
    budget = int(sum(map(packed_size, newer)) * policy.outputs_share)
    fresh = {record.position for record in newer}
    outputs = [entry for entry in entries if entry.role is Role.OUTPUT and entry.position in fresh]
    gone = _beyond(outputs, budget, policy.large_bytes)
    kept = _with_outputs_counted(cut_streams(entries, policy.stream_chars), gone)
    return sorted(kept, key=_position)


def drop(records: Iterable[Record], answers_bytes: int) -> list[Record]:
    """One note of everything that has been dropped, and the newest answers, at most `answers_bytes` of them."""
    records = list(records)
    kept = _newest_answers(records, answers_bytes)
    gone = [record for record in records if record.position not in kept]
    answers = [record for record in records if record.position in kept]
    return sorted([*answers, *_note_of_everything(gone)], key=_position)


def is_dropped(records: Iterable[Record]) -> bool:
    """Whether `drop` has made them."""
    return all(_is_answer(entry) or _counts_everything(entry) for entry in map(look_at, records))


def _without_needless(entries: list[Entry]) -> list[Entry]:
    newest = {entry.key: entry.position for entry in entries if entry.key is not None}
    return [
        entry
        for entry in entries
        if entry.role is not Role.SILENT and (entry.key is None or newest[entry.key] == entry.position)
    ]


def _beyond(outputs: list[Entry], budget: int, large_bytes: int) -> set[int]:
    """The positions of those that have to go."""
    total = sum(packed_size(entry.record) for entry in outputs)
    gone: set[int] = set()
    for entry in sorted(outputs, key=lambda entry: len(entry.record.body) < large_bytes):
        if total <= budget:
            break
        total -= packed_size(entry.record)
        gone.add(entry.position)
    return gone


def _with_outputs_counted(entries: list[Entry], gone: set[int]) -> Iterator[Record]:
    """The records of all entries; for those that go, and the notes of such, one note for each cell."""
    cells: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.position in gone or (entry.note and entry.note.what is What.OUTPUTS):
            cells.setdefault(entry.cell, []).append(entry)
        else:
            yield entry.record
    for counted in cells.values():
        yield _note_of_outputs(counted).record(counted[-1].position)


def _note_of_outputs(entries: list[Entry]) -> LeftOut:
    counts = [entry.note.count if entry.note else 1 for entry in entries]
    sizes = [entry.note.size_bytes if entry.note else len(entry.record.body) for entry in entries]
    return LeftOut(What.OUTPUTS, sum(counts), sum(sizes), entries[0].parent())


def _newest_answers(records: list[Record], answers_bytes: int) -> set[int]:
    kept: set[int] = set()
    for entry in map(look_at, reversed(records)):
        if _is_answer(entry):
            answers_bytes -= packed_size(entry.record)
            if answers_bytes < 0:
                break
            kept.add(entry.position)
    return kept


def _is_answer(entry: Entry) -> bool:
    record = entry.record
    return record.kind is Kind.ACCEPTED or (record.kind is Kind.MESSAGE and reply_to(record.body) is not None)


def _counts_everything(entry: Entry) -> bool:
    return entry.note is not None and entry.note.what is What.EVERYTHING


def _note_of_everything(gone: list[Record]) -> list[Record]:
    """None where there was nothing to count, one otherwise."""
    entries = [look_at(record) for record in gone]
    notes = [entry.note for entry in entries if entry.note is not None]
    sizes = [len(entry.record.body) for entry in entries if entry.note is None]
    counted = [note.count for note in notes if note.what is not What.STREAM]
    note = LeftOut(
        What.EVERYTHING, len(sizes) + sum(counted), sum(sizes) + sum(note.size_bytes for note in notes)
    )
    return [note.record(gone[-1].position)] if gone else []


def _position(record: Record) -> int:
    return record.position
