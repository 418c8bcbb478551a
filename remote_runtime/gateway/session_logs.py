"""What was written for a session, from its image's build to its kernel's end, as one text that can be followed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ..api import LeaseId
from ..errors import BadRequest
from ..logs.format import FOLDER, LogLine
from ..logs.reader import Piece, plain_tail_start, read_log, read_plain, tail_start

PIECE_BYTES = 256 << 10
"""As much of each source is told at a time."""
SOURCES = ("build", "container", "agent", "kernel")
MAX_LINES = 100_000


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to where a session's log was told: of which lease, and of each of its files. Its text is for clients."""

    lease: str = ""
    build: int = 0
    container: int = 0
    log: int = 0

    def __str__(self) -> str:
        return f"{self.lease}:{self.build}:{self.container}:{self.log}"

    @classmethod
    def parse(cls, text: str) -> Self:
        lease, *numbers = text.split(":")
        if len(numbers) != 3 or not all(number.isdecimal() and len(number) < 19 for number in numbers):
            raise BadRequest(f"{text[:80]!r} is no place in a log: give the one that came with it")
        build, container, log = map(int, numbers)
        return cls(lease, build, container, log)


@dataclass(frozen=True, slots=True)
class LogFiles:
    """Where they lie: the build's and the lease's, as far as there is a build or a lease."""

    build: Path | None
    lease_id: LeaseId | None
    lease: Path | None

    def read(self, cursor: Cursor, max_bytes: int = PIECE_BYTES) -> tuple[list[LogLine], Cursor]:
        """What came behind the cursor. Another lease than the cursor's is told from its beginning."""
        if self.lease_id is not None and cursor.lease != self.lease_id:
            cursor = Cursor(self.lease_id, cursor.build)
        build = Piece((), cursor.build)
        if self.build is not None:
            build = read_plain(self.build, cursor.build, max_bytes, "build")
        container, log = Piece((), cursor.container), Piece((), cursor.log)
        if self.lease is not None:
            container = read_plain(self._container, cursor.container, max_bytes, "container")
            log = read_log(self.lease / FOLDER, cursor.log, max_bytes)
        lines = [*build.lines, *self._by_time(container, log)]
        return lines, replace(cursor, build=build.position, container=container.position, log=log.position)

    def end(self, max_bytes: int) -> Cursor:
        """From where on there are at most `max_bytes` of each file."""
        build = 0 if self.build is None else plain_tail_start(self.build, max_bytes)
        if self.lease is None:
            return Cursor(build=build)
        container = plain_tail_start(self._container, max_bytes)
        return Cursor(self.lease_id or "", build, container, tail_start(self.lease / FOLDER, max_bytes))

    @property
    def _container(self) -> Path:
        assert self.lease is not None
        return self.lease / "container.log"

    def _by_time(self, container: Piece, log: Piece) -> tuple[LogLine, ...]:
        """What the container's own output says has no times: it is before the rest, or its end killed the agent."""
        died = log.lines and container.lines and _changed(self._container) > _changed_within(self.lease)
        return (*log.lines, *container.lines) if died else (*container.lines, *log.lines)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _changed_within(lease: Path | None) -> float:
    assert lease is not None
    try:
        return max(map(_changed, (lease / FOLDER).iterdir()), default=0.0)
    except OSError:
        return 0.0


def as_text(lines: list[LogLine], *, marked: bool) -> str:
    """For people; `marked` with the source of each line."""
    return "".join(_shown(line, marked=marked) + "\n" for line in lines)


def _shown(line: LogLine, *, marked: bool) -> str:
    at = line.at.replace("T", " ")
    words = [*([at] if at else []), *([f"{line.source:9} |"] if marked else []), line.text]
    return " ".join(words).rstrip()
