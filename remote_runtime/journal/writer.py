"""Appends to a lease's journal. One writer at a time; readers may read meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .format import MAGIC, Kind, Record, pack, scan, segment_name

SEGMENT_BYTES = 8 << 20


class JournalWriter:
    """Opens a journal, or goes on with one that a killed agent left; what was torn is cut off.

    Each record is handed to the operating system before `append` returns: it survives the death of every process, not that
    of the machine. `rotated` is called whenever a segment is full. Raises `OSError` where the disk does.
    """

    def __init__(self, folder: Path, rotated: Callable[[], None] = lambda: None) -> None:
        self._folder = folder
        self._rotated = rotated
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.position = 0
        """Of the last record."""
        self._descriptor, self._size = self._open()

    def append(self, kind: Kind, body: bytes) -> int:
        """Writes one record; returns its position."""
        record = pack(Record(self.position + 1, kind, body))
        self._write(record)
        self.position += 1
        self._size += len(record)
        if self._size >= SEGMENT_BYTES:
            self._rotate()
        return self.position

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, data: bytes) -> None:
        """All of it; a disk that takes only a part leaves no torn record in the middle."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise

    def _rotate(self) -> None:
        os.close(self._descriptor)
        self._descriptor, self._size = self._begin(self.position + 1)
        self._rotated()

    def _open(self) -> tuple[int, int]:
        segments = sorted(self._folder.glob("*.fcj"))
        if not segments:
            return self._begin(1)
        self.position = int(segments[-1].stem) - 1
        whole = len(MAGIC)
        for record, end in scan(segments[-1].read_bytes()):
            self.position, whole = record.position, end
        descriptor = os.open(segments[-1], os.O_WRONLY | os.O_APPEND)
        os.ftruncate(descriptor, whole)
        return descriptor, whole

    def _begin(self, first_position: int) -> tuple[int, int]:
        path = self._folder / segment_name(first_position)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(descriptor, MAGIC)
        return descriptor, len(MAGIC)
