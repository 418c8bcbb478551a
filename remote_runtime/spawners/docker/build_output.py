"""What the engine says while it builds or pulls, chunk by chunk, as lines and as what went wrong; pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...logs.format import plain

LAST_LINES = 20
_INSTRUCTION = re.compile(r"Step (\d+)/(\d+) : ")
_ENGINES_OWN = (" ---> ", "Removing intermediate container ", "Successfully built ", "Successfully tagged ")


@dataclass(frozen=True, slots=True)
class Failure:
    """`code` is the exit status of the command, None where none ran; `said` is the engine's word."""

    step: int
    said: str
    code: int | None
    lines: tuple[str, ...]

    @property
    def reason(self) -> str:
        if self.code is None:
            return self.said
        killed = ", which says that it was killed: too little memory?" if self.code == 137 else ""
        return f"exit status {self.code}{killed}"


class BuildOutput:
    """Takes a build's chunks in their order. `owners` has the step of each instruction, as a `Recipe` says."""

    def __init__(self, owners: Sequence[int]) -> None:
        self.step = owners[0]
        self.failure: Failure | None = None
        self._owners = owners
        self._partial = ""
        self._last: deque[str] = deque(maxlen=LAST_LINES)

    def take(self, chunk: Mapping[str, Any]) -> list[str]:
        """The lines that `chunk` completes; they belong to `step`, as it is afterwards."""
        if "error" in chunk:
            detail = chunk.get("errorDetail") or {}
            lines = [*self._lines("\n")]
            self.failure = Failure(self.step, str(chunk["error"]), detail.get("code"), tuple(self._last))
            return lines
        text = str(chunk.get("stream", ""))
        if found := _INSTRUCTION.match(text):
            self._begin(int(found[1]))
            return []
        return [*self._lines(text)]

    def _begin(self, instruction: int) -> None:
        if 1 <= instruction <= len(self._owners):
            self.step = self._owners[instruction - 1]
        self._last.clear()
        self._partial = ""

    def _lines(self, text: str) -> Iterator[str]:
        """Whole ones, without what terminals do, and of a line that was drawn anew the last."""
        *whole, self._partial = (self._partial + text).split("\n")
        for raw in whole:
            if line := readable(raw):
                self._last.append(line)
                yield line


def readable(raw: str) -> str:
    """A line as a terminal would show it in the end; nothing of what the engine says of its own work."""
    shown = plain(raw.rstrip("\r").rpartition("\r")[2]).rstrip()
    return "" if shown.startswith(_ENGINES_OWN) else shown


def pull_line(chunk: Mapping[str, Any]) -> str:
    """What a chunk of a pull says to a person: ``3f4ca61aafcd: Downloading [==>  ] 12MB/29MB``."""
    words = (chunk.get("id"), chunk.get("status"), chunk.get("progress"))
    layer, *said = (str(word) if word else "" for word in words)
    text = " ".join(word for word in said if word)
    return plain(f"{layer}: {text}" if layer else text)
