"""Keeps a journal on disk within a limit: `policy` on its oldest segments, which are replaced by renames.

What is killed between any two steps leaves the journal as it was, or as it is to be, and at most a file that no reader
looks at: a temporary one, or segments of which the one before them says that it covers their positions.
"""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from .folder import FileLock, first_positions, segment_path, segment_size, size_bytes
from .format import HEADER_BYTES, Header, Record, pack_head, pack_header, packed_size, parse_header, scan
from .policy import Policy, compact, drop, is_dropped
from .writer import SEGMENT_BYTES

LIMIT_BYTES: Final = 1 << 30
_TEMPORARY = ".new"
_SLACK_SEGMENTS = 4


class _Segment(NamedTuple):
    first: int
    header: Header
    size_bytes: int
    covers: int
    """Its last position, that of the next segment's first less one."""


class Compactor:
    """Compacts one journal; the segment that is written to is left alone.

    A journal is exact up to `limit_bytes`. Beyond, the newest half of them at least stays exact, and what is older is
    compacted; when that alone takes more than the other half, the oldest of it is dropped. So the folder holds at most
    the limit, a few segments more, and what comes while a run is under way: the writer looks at `behind` when a segment
    is full, and holds back while it is.
    """

    def __init__(
        self,
        folder: Path,
        limit_bytes: int = LIMIT_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        policy: Policy | None = None,
    ) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._segment_bytes = segment_bytes
        self._policy = policy or Policy()

    def run_once(self) -> int:
        """Compacts what is too much; returns by how many bytes the journal shrank.

        Takes tenths of a second for each segment: for a thread, or better for a process of its own (`command`). Does
        nothing where another one is at it. May be called any time, also without a writer.
        """
        try:
            lock = FileLock(self._folder / "compactor.lock")
        except (BlockingIOError, FileNotFoundError):
            return 0
        try:
            return self._run()
        finally:
            lock.close()

    def command(self) -> list[str]:
        """A program that does what `run_once` does, with the default policy, and leaves the interpreter to the writer.

        It ends by itself, and may be killed.
        """
        sizes = (str(self._limit_bytes), str(self._segment_bytes))
        return [sys.executable, "-m", str(__package__), str(self._folder), *sizes]

    def is_due(self) -> bool:
        return size_bytes(self._folder) > self._limit_bytes

    def behind(self) -> bool:
        """Whether so much is too much that the writer should wait for the end of a run."""
        return size_bytes(self._folder) > self._limit_bytes + _SLACK_SEGMENTS * self._segment_bytes

    def _run(self) -> int:
        self._remove_leftovers()
        before = size_bytes(self._folder)
        while size_bytes(self._folder) > self._limit_bytes and self._step():
            pass
        return before - size_bytes(self._folder)

    def _remove_leftovers(self) -> None:
        for path in self._folder.glob(f"*{_TEMPORARY}"):
            path.unlink()
        covered = 0
        for first in first_positions(self._folder):
            if first <= covered:
                segment_path(self._folder, first).unlink()
            else:
                covered = self._header(first).covers

    def _step(self) -> bool:
        """One segment compacted or dropped; False where nothing is left to do."""
        full = self._full_segments()
        exact = [segment for segment in full if not segment.header.generation]
        compacted = full[: len(full) - len(exact)]
        too_many = sum(segment.size_bytes for segment in compacted) > self._limit_bytes // 2
        if (too_many or not exact) and self._drop(compacted):
            return True
        if exact:
            self._compact(compacted[-1:], exact[0])
        return bool(exact)

    def _compact(self, older: list[_Segment], newer: _Segment) -> None:
        """Together with the compacted segment before it where that leaves one that is no longer than others."""
        records = self._records(newer)
        together = compact(self._records(*older), records, self._policy)
        if older and _size(together) <= self._segment_bytes:
            self._replace([*older, newer], together)
        else:
            self._replace([newer], compact([], records, self._policy))

    def _drop(self, compacted: list[_Segment]) -> bool:
        """The oldest one; where that is what remains of dropped ones, the next one into it."""
        if not compacted:
            return False
        records = self._records(compacted[0])
        group = compacted[: 2 if is_dropped(records) else 1]
        if len(group) == 1 and is_dropped(records):
            return False
        self._replace(group, drop(self._records(*group), self._segment_bytes // 8))
        return True

    def _replace(self, group: list[_Segment], records: list[Record]) -> None:
        header = Header(1 + max(segment.header.generation for segment in group), group[-1].covers)
        path = segment_path(self._folder, group[0].first)
        temporary = path.with_suffix(_TEMPORARY)
        _write(temporary, header, records)
        temporary.replace(path)
        for segment in group[1:]:
            segment_path(self._folder, segment.first).unlink()

    def _full_segments(self) -> list[_Segment]:
        firsts = first_positions(self._folder)
        return [
            _Segment(first, self._header(first), segment_size(self._folder, first), following - 1)
            for first, following in pairwise(firsts)
        ]

    def _header(self, first: int) -> Header:
        with segment_path(self._folder, first).open("rb") as file:
            return parse_header(file.read(HEADER_BYTES)) or Header()

    def _records(self, *segments: _Segment) -> list[Record]:
        paths = (segment_path(self._folder, segment.first) for segment in segments)
        return [record for path in paths for record, _ in scan(path.read_bytes())]


def _size(records: list[Record]) -> int:
    return sum(map(packed_size, records))


def _write(path: Path, header: Header, records: list[Record]) -> None:
    """On the disk when it returns: what it replaces has long been there."""
    with path.open("wb") as file:
        file.write(pack_header(header))
        for record in records:
            file.write(pack_head(record))
            file.write(record.body)
        file.flush()
        os.fsync(file.fileno())
