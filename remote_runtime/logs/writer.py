"""Writes a lease's log: whole lines, each with its time and its source, within a bound."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from .format import LOG_BYTES, MAX_LINE_BYTES, SEGMENTS, encode, segment_path, segments, too_many

SETTLES_MS = 1000
"""After so long without more, what has no line's end yet is written as it is."""
LAST_PIECES = 16
"""So many are taken after a pump's end was asked for: who writes for ever can't hold it up."""


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class LogWriter:
    """To be used from any thread. It never raises for what the disk does: what can't be written is counted and told."""

    def __init__(self, folder: Path, limit_bytes: int = LOG_BYTES, now: Callable[[], str] = utc_now) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._now = now
        self._lock = threading.Lock()
        self._partial: dict[str, bytes] = {}
        self._file = -1
        self._firsts: list[int] = []
        self._end = 0
        self._lost_bytes = 0

    def set_limit(self, limit_bytes: int) -> None:
        with self._lock:
            self._limit_bytes = limit_bytes

    def put(self, source: str, data: bytes) -> None:
        """What has no line's end yet waits for it, up to a line's greatest length."""
        with self._lock:
            *whole, rest = (self._partial.pop(source, b"") + data).replace(b"\r\n", b"\n").split(b"\n")
            lines = [piece for line in whole for piece in _cut(line)]
            *pieces, rest = _cut(rest)
            self._partial[source] = rest
            self._write(source, lines + pieces)

    def flush(self) -> None:
        """Writes what waits for a line's end, as a line."""
        with self._lock:
            waiting, self._partial = self._partial, {}
            for source, rest in waiting.items():
                self._write(source, [rest] if rest else [])

    def close(self) -> None:
        """May be called twice."""
        self.flush()
        with self._lock:
            self._close_segment()

    def _write(self, source: str, lines: list[bytes]) -> None:
        if not lines:
            return
        at = self._now()
        data = b"".join(encode(at, source, line) for line in lines)
        try:
            if self._lost_bytes:
                told = f"{self._lost_bytes} bytes could not be written here: the disk was full, or failed"
                self._append(encode(at, "farcell", told.encode()))
                self._lost_bytes = 0
            self._append(data)
        except OSError:
            self._lost_bytes += len(data)
            self._close_segment()

    def _append(self, data: bytes) -> None:
        """Segment by segment: one that is full is left, and the oldest goes."""
        size = self._limit_bytes // SEGMENTS
        while data:
            room = 0 if self._file < 0 else self._firsts[-1] + size - self._end
            cut = len(data) if len(data) <= room else data.rfind(b"\n", 0, max(room, 0)) + 1
            if cut == 0 and (self._file < 0 or self._end > self._firsts[-1]):
                self._next_segment()
                continue
            cut = cut or data.find(b"\n") + 1  # a line that no segment has room for
            self._write_all(data[:cut])
            data = data[cut:]

    def _next_segment(self) -> None:
        self._close_segment()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._firsts:
            self._firsts = segments(self._folder)
            if self._firsts:  # of this lease's agent before this one
                self._end = self._firsts[-1] + segment_path(self._folder, self._firsts[-1]).stat().st_size
        path = segment_path(self._folder, self._end)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self._end not in self._firsts:
            self._firsts.append(self._end)
        for first in too_many(self._firsts):
            segment_path(self._folder, first).unlink(missing_ok=True)
            self._firsts.remove(first)

    def _write_all(self, data: bytes) -> None:
        while data:
            written = os.write(self._file, data)
            self._end += written
            data = data[written:]

    def _close_segment(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _cut(line: bytes) -> list[bytes]:
    """In pieces of a line's greatest length; the last one may be empty."""
    pieces = [line[at : at + MAX_LINE_BYTES] for at in range(0, len(line), MAX_LINE_BYTES)]
    return pieces or [b""]


class LogHandler(logging.Handler):
    """Writes log records as lines of `source`."""

    def __init__(self, writer: LogWriter, source: str) -> None:
        super().__init__()
        self._writer = writer
        self._source = source

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(ValueError, TypeError):
            self._writer.put(self._source, self.format(record).encode("utf-8", "replace") + b"\n")


class LogPump:
    """Takes what comes out of a pipe as fast as it comes, in a thread of its own: who writes there never waits long."""

    def __init__(self, descriptor: int, writer: LogWriter, source: str) -> None:
        self._descriptor = descriptor
        self._writer = writer
        self._source = source
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"farcell-log-{source}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Takes what is there still, then ends; may be called twice. The pipe is its owner's to close."""
        if self._wake_writer >= 0:
            os.close(self._wake_writer)
            self._wake_writer = -1
            self._thread.join()
            os.close(self._wake_reader)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        poll.register(self._wake_reader, select.POLLIN)
        os.set_blocking(self._descriptor, False)
        pieces_left = LAST_PIECES
        while pieces_left:
            ready = dict(poll.poll(SETTLES_MS))
            if not ready:
                self._writer.flush()
                continue
            ending = self._wake_reader in ready
            pieces_left -= ending
            data = self._take()
            if data:
                self._writer.put(self._source, data)
            elif ending or data is not None:
                return

    def _take(self) -> bytes | None:
        """One piece: empty at the pipe's end, None where nothing is there now."""
        try:
            return os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return None
