"""The segments of a journal's folder, in order."""

from __future__ import annotations

import fcntl
import os
from bisect import bisect_right
from pathlib import Path

from .format import SUFFIX, segment_name


def first_positions(folder: Path) -> list[int]:
    """By what segments are named, ascending; none where there is no folder."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a Path for each name would cost ten times the listing
    except FileNotFoundError:
        return []
    stems = (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def first_positions_after(folder: Path, after: int) -> list[int]:
    """Of the segments that may hold something above `after`: from the last one that begins at or below the next."""
    firsts = first_positions(folder)
    return firsts[max(0, bisect_right(firsts, after + 1) - 1) :]


def segment_path(folder: Path, first_position: int) -> Path:
    return folder / segment_name(first_position)


def size_bytes(folder: Path) -> int:
    """Of all segments; one that vanishes meanwhile counts nothing."""
    return sum(segment_size(folder, first) for first in first_positions(folder))


def segment_size(folder: Path, first_position: int) -> int:
    try:
        return segment_path(folder, first_position).stat().st_size
    except FileNotFoundError:
        return 0


class FileLock:
    """Held until it is closed, and by nobody when its holder was killed; raises `BlockingIOError` where it is held."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
