"""Appends to a lease's journal. One writer at a time; readers may read meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .folder import FileLock, first_positions, segment_path
from .format import HEADER_BYTES, Bytes, Header, Kind, Record, pack_head, pack_header, parse_header, scan

SEGMENT_BYTES: Final = 8 << 20
"""A segment that has reached it is full: the unit of compaction, and of what a reader holds in memory."""
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class JournalWriter:
    """Opens a journal, or goes on with one that a killed agent left; what was torn is cut off.

    Each record is handed to the operating system before `append` returns: it survives the death of every process, not
    that of the machine. `rotated` is called, on the appending thread, whenever a segment is full. Raises `OSError`
    where the disk does, and `BlockingIOError` where another writer lives.
    """

    def __init__(
        self, folder: Path, rotated: Callable[[], None] = lambda: None, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._folder = folder
        self._rotated = rotated
        self._segment_bytes = segment_bytes
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = FileLock(folder / "writer.lock")
        self.position = 0
        """Of the last record."""
        self._torn = False
        self._descriptor, self._size = self._open()

    def append(self, kind: Kind, body: Bytes, client: int = 0) -> int:
        """Writes one record; returns its position. After an error nothing of it is in the journal.

        `client`: whom a message is for, or who asked; 0: everyone.
        """
        position = self.position + 1
        head = pack_head(Record(position, kind, body, client))
        if self._size >= self._segment_bytes:
            self._rotate()
        self._write(head, body)
        self.position = position
        return position

    def close(self) -> None:
        """May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._lock.close()

    def _write(self, head: bytes, body: Bytes) -> None:
        """All of it or nothing: a disk that takes only a part leaves no torn record in the middle."""
        size = len(head) + len(body)
        if self._torn:
            self._cut()
        self._torn = True
        if os.writev(self._descriptor, (head, body)) != size:
            self._cut()
            _write_all(self._descriptor, head + body)
        self._torn = False
        self._size += size

    def _cut(self) -> None:
        os.ftruncate(self._descriptor, self._size)

    def _rotate(self) -> None:
        full = self._descriptor
        self._descriptor, self._size = self._begin(self.position + 1)
        os.close(full)
        self._rotated()

    def _open(self) -> tuple[int, int]:
        firsts = first_positions(self._folder)
        if not firsts:
            return self._begin(1)
        self.position = firsts[-1] - 1
        data = segment_path(self._folder, firsts[-1]).read_bytes()
        header = parse_header(data)
        if header is None:  # killed before it was written
            return self._begin(firsts[-1])
        self.position = max(self.position, header.covers)
        return self._go_on(firsts[-1], data)

    def _go_on(self, first: int, data: bytes) -> tuple[int, int]:
        whole = HEADER_BYTES
        for record, end in scan(data):
            self.position, whole = max(self.position, record.position), end
        descriptor = os.open(segment_path(self._folder, first), _FLAGS)
        os.ftruncate(descriptor, whole)
        return descriptor, whole

    def _begin(self, first_position: int) -> tuple[int, int]:
        descriptor = os.open(segment_path(self._folder, first_position), _FLAGS | os.O_TRUNC, 0o600)
        try:
            _write_all(descriptor, pack_header(Header()))
        except OSError:
            os.close(descriptor)
            raise
        return descriptor, HEADER_BYTES


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
