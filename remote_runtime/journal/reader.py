"""Reads a lease's journal, also while it is written and compacted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .format import Record, scan


class JournalReader:
    """Over one lease's folder; keeps no file open between calls, and finds nothing where there is no journal."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, after: int = 0) -> Iterator[Record]:
        """Records with positions above `after`, in order, up to the last whole one; a segment's bytes are held at a time.

        A segment that compaction replaces between two reads is read as it was or as it is, never in between.
        """
        for path in self._segments(after):
            try:
                data = path.read_bytes()
            except FileNotFoundError:  # compaction has just taken it together with its neighbour
                continue
            for record, _ in scan(data):
                if record.position > after:
                    after = record.position
                    yield record

    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in self._folder.glob("*.fcj"))

    def _segments(self, after: int) -> list[Path]:
        """Those that may have something above `after`: from the last one that begins at or below it."""
        paths = sorted(self._folder.glob("*.fcj"))
        begun = [number for number, path in enumerate(paths) if int(path.stem) <= after + 1]
        return paths[begun[-1] if begun else 0 :]
