"""Reads a lease's log while it is written, and afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .format import LogLine, plain, segment_path, segments


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines, and the position behind them."""

    lines: tuple[LogLine, ...]
    position: int


def read_log(folder: Path, after: int, max_bytes: int) -> Piece:
    """The next whole lines from position `after` on; of what was left out before them, a line says so."""
    lines: list[LogLine] = []
    position, room = after, max_bytes
    firsts = segments(folder)
    for first in _from(firsts, after):
        if first > position:
            lines.append(_left_out(first - position))
            position = first
        found = _read(segment_path(folder, first), position - first, room)
        torn = first != firsts[-1] and len(found) < room  # by a full disk; nothing will end the line
        data = found if torn else _whole_lines(found)
        lines += (LogLine.of_segment(line) for line in _texts(data))
        position += len(data)
        room -= len(data)
        if len(data) < len(found) or room <= 0:
            break
    return Piece(tuple(lines), position)


def tail_start(folder: Path, max_bytes: int) -> int:
    """The position of the first whole line among the last `max_bytes` that are there."""
    firsts = segments(folder)
    if not firsts:
        return 0
    left = max_bytes
    for first in reversed(firsts):
        size = _size(segment_path(folder, first))
        if size > left:
            head = _read(segment_path(folder, first), size - left - 1, left + 1)
            return first + size - left - 1 + head.find(b"\n") + 1 if b"\n" in head else first + size
        left -= size
    return firsts[0]


def read_plain(path: Path, after: int, max_bytes: int, source: str) -> Piece:
    """The next lines of a file without times. A last line without an end is taken as it is: nobody may ever end it."""
    data = _read(path, after, max_bytes)
    if len(data) == max_bytes:
        data = _whole_lines(data) or data
    return Piece(tuple(LogLine(source, plain(line)) for line in _texts(data)), after + len(data))


def plain_tail_start(path: Path, max_bytes: int) -> int:
    return max(0, _size(path) - max_bytes)


def _from(firsts: list[int], after: int) -> Iterator[int]:
    for number, first in enumerate(firsts):
        if number + 1 == len(firsts) or firsts[number + 1] > after:
            yield first


def _left_out(size: int) -> LogLine:
    return LogLine(
        "farcell", f"… {size / 1e6:.1f} MB were left out here: of a long log, beginning and end are kept"
    )


def _whole_lines(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]


def _texts(data: bytes) -> list[str]:
    return data.decode("utf-8", "replace").removesuffix("\n").split("\n") if data else []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path: Path, offset: int, size: int) -> bytes:
    """Nothing of a file that is not there, or that is no file."""
    try:
        with path.open("rb") as file:
            file.seek(max(offset, 0))
            return file.read(size)
    except OSError:
        return b""
