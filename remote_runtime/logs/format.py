"""How a lease's log lies on disk. Standard library only: the kernel waits for what writes it.

::

    <lease>/log/00000000000000000000.log     the first segment, which stays
                00000000000014680064.log     the newest ones

A segment is named by the position of its first byte in all that was ever written: what lies between the end of one and
the name of the next was left out. A line is ``2026-01-31T12:00:00.000Z kernel what it wrote``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = "log"
SUFFIX = ".log"
LOG_BYTES = 16 << 20
"""What is kept of a lease's log, unless the gateway says otherwise."""
SEGMENTS = 8
MAX_LINE_BYTES = 8 << 10
"""A longer line is cut in pieces."""

_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([a-z]+) (.*)")
# escape sequences of terminals (ECMA-48), and every control character but the tab
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class LogLine:
    """`source`: build, container, agent, kernel, or farcell for what is said about the log. `at` is UTC, if known."""

    source: str
    text: str
    at: str = ""

    @classmethod
    def of_segment(cls, line: str) -> LogLine:
        found = _LINE.fullmatch(line)
        return cls(found[2], plain(found[3]), found[1]) if found else cls("agent", plain(line))


def plain(text: str) -> str:
    """A line that can't move a terminal's cursor, nor colour what follows it."""
    return _CONTROLS.sub("\ufffd", _ESCAPES.sub("", text))


def encode(at: str, source: str, line: bytes) -> bytes:
    return b"%s %s %s\n" % (at.encode(), source.encode(), line)


def segment_path(folder: Path, first: int) -> Path:
    return folder / f"{first:020d}{SUFFIX}"


def segments(folder: Path) -> list[int]:
    """The positions that segments begin at, ascending; none where there is no folder."""
    try:
        found = [path.stem for path in folder.iterdir() if path.suffix == SUFFIX]
    except OSError:
        return []
    return sorted(int(stem) for stem in found if stem.isdecimal())


def too_many(firsts: list[int]) -> list[int]:
    """Which segments have to go so that `SEGMENTS` are left: the oldest, but never the first.

    How a thing began is often why it went wrong.
    """
    return firsts[1 : max(1, len(firsts) - SEGMENTS + 1)]
