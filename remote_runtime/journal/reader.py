"""Reads a lease's journal, also while it is written and compacted."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

from .folder import first_positions_after, segment_path, size_bytes
from .format import HEADER_BYTES, Header, Record, parse_header, scan


class _Place(NamedTuple):
    """Where the record after the one that was given last begins, or will."""

    first: int = 0
    generation: int = 0
    offset: int = 0


class JournalReader:
    """Over one lease's folder; it need not exist. Keeps no file open between calls.

    Remembers where it stopped: one reader for each who follows a journal, and following is cheap. Bodies are views that
    keep all that was read with them in memory: copy what is to stay.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._after = 0
        self._place = _Place()

    def read(self, after: int = 0) -> Iterator[Record]:
        """Records with positions above `after`, in order, up to the last whole one there was when it came to the end.

        Where `after` is the position of the last record that this reader gave, it goes on there without looking at what
        is before. May be left in the middle. A segment that compaction replaces is read as it was or as it is, never
        in between; records that one had already given may then be counted as left out by a note further on.
        """
        if after != self._after:
            self._after, self._place = after, _Place()
        while not (yield from self._pass()):
            pass

    def find(self, position: int) -> Record | None:
        """The record with that position; None where compaction left it out or it is not written yet."""
        record = next(JournalReader(self._folder).read(position - 1), None)
        return record if record is not None and record.position == position else None

    def size_bytes(self) -> int:
        return size_bytes(self._folder)

    def _pass(self) -> Generator[Record, None, bool]:
        """Once over the segments; False when one of them had gone into another meanwhile.

        The list is older than what is read: of all but the last segment nothing can be missing.
        """
        covered = 0
        for first in first_positions_after(self._folder, self._after):
            try:
                header, offset, data = self._open(first)
            except FileNotFoundError:
                return False
            yield from self._records(_Place(first, header.generation, offset), data, covered)
            covered = max(covered, header.covers)
        return True

    def _open(self, first: int) -> tuple[Header, int, bytes]:
        """What a segment holds from where reading goes on in it."""
        with open(segment_path(self._folder, first), "rb", buffering=0) as file:  # noqa: PTH123 - half of its time
            header = parse_header(file.read(HEADER_BYTES)) or Header()
            known = self._place[:2] == (first, header.generation)
            offset = self._place.offset if known else HEADER_BYTES
            length = os.fstat(file.fileno()).st_size - offset
            return header, offset, os.pread(file.fileno(), length, offset) if length > 0 else b""

    def _records(self, begin: _Place, data: bytes, covered: int) -> Iterator[Record]:
        first, generation, offset = begin
        for record, end in scan(data, 0):
            if record.position > max(covered, self._after):
                self._after, self._place = record.position, _Place(first, generation, offset + end)
                yield record
