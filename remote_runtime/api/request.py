"""What a person asks for: ``H100``, ``h100:2``, ``H100,A100-80GB,L40S``, ``24GB``, ``cpu``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, final

from ..errors import BadRequest
from .gpus import GIB, GpuTable, GpuType, default_table

MAX_GPUS = 64
MAX_LENGTH = 200
_COUNTED = re.compile(r"(?P<name>[^:]+?)\s*(?::\s*(?P<count>.*))?", re.DOTALL)
_SIZE = re.compile(r"(?P<size>[0-9]{1,9})\s*GI?B", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Choice:
    """One alternative of a request: a GPU type, any GPU with so much memory, or (`count` 0) no GPU at all."""

    gpu: str | None
    count: int
    memory_bytes: int = 0

    def accepts(self, gpu: GpuType) -> bool:
        """Whether a device of that type fulfils this choice."""
        if not self.count:
            return False
        return gpu.name == self.gpu if self.gpu else gpu.memory_bytes >= self.memory_bytes

    def __str__(self) -> str:
        if not self.count:
            return "cpu"
        name = self.gpu or f"{self.memory_bytes // GIB}GB"
        return name if self.count == 1 else f"{name}:{self.count}"


@final
class Request:
    """An ordered list of choices; the first that can be had is taken. Immutable; its text is its JSON form.

    Not a dataclass, so that `json_form` writes the text and not the fields.
    """

    __slots__ = ("_choices",)

    def __init__(self, choices: tuple[Choice, ...]) -> None:
        self._choices = choices

    @property
    def choices(self) -> tuple[Choice, ...]:
        return self._choices

    @classmethod
    def parse(cls, text: str, table: GpuTable | None = None) -> Request:
        """Reads what a person typed; `table` is the shipped one by default.

        Raises `UnknownGpu` (with the nearest names) or `BadRequest` (with an example).
        """
        return cls(_parse(text, table or default_table(), strict=True))

    @property
    def default_name(self) -> str:
        """The session's name when none is given: the first choice's GPU, in lower case."""
        first = self.choices[0]
        return "cpu" if not first.count else str(Choice(first.gpu, 1, first.memory_bytes)).lower()

    def __str__(self) -> str:
        return ",".join(map(str, self.choices))

    def __repr__(self) -> str:
        return f"Request({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return self.choices == other.choices if isinstance(other, Request) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.choices)

    def to_json(self) -> str:
        return str(self)

    @classmethod
    def from_json(cls, value: Any, table: GpuTable | None = None) -> Request:
        """As `parse`; but without a table, types that the shipped one lacks are taken as they are.

        So a client reads what a gateway with a larger table says; whoever grants a request passes the table.
        """
        if not isinstance(value, str):
            raise BadRequest(f'a request is a text such as "H100", not {type(value).__name__}')
        return cls(_parse(value, table or default_table(), strict=table is not None))


def _parse(text: str, table: GpuTable, *, strict: bool) -> tuple[Choice, ...]:
    parts = [part.strip() for part in text.split(",")]
    matches = [_COUNTED.fullmatch(part) for part in parts]
    if not all(matches) or len(text) > MAX_LENGTH:
        shown = repr(text) if len(text) <= MAX_LENGTH else f"a text of {len(text)} characters"
        raise BadRequest(f"{shown} is not a request: write one like H100, H100:2, H100,L40S, 24GB or cpu")
    choices = [_parse_choice(match, table, strict=strict) for match in matches if match]
    return tuple(dict.fromkeys(choices))


def _parse_choice(match: re.Match[str], table: GpuTable, *, strict: bool) -> Choice:
    text, name, count = match[0], match["name"], _parse_count(match[0], match["count"])
    if name.lower() == "cpu":
        if match["count"] is not None:
            raise BadRequest(f"{text!r}: cpu takes no count")
        return Choice(None, 0)
    if size := _SIZE.fullmatch(name):
        return _parse_size(text, int(size["size"]) * GIB, count, table)
    known = table.find(name) if strict else table.get(name)
    return Choice(known.name if known else name, count)


def _parse_count(text: str, count: str | None) -> int:
    if count is None:
        return 1
    if not re.fullmatch(r"[0-9]{1,9}", count) or not 1 <= int(count) <= MAX_GPUS:
        raise BadRequest(f"{text!r}: the count is a number from 1 to {MAX_GPUS}, as in H100:2")
    return int(count)


def _parse_size(text: str, memory_bytes: int, count: int, table: GpuTable) -> Choice:
    largest = max(table.gpus.values(), key=lambda gpu: gpu.memory_bytes)
    if not 0 < memory_bytes <= largest.memory_bytes:
        have = f"the largest known GPU, {largest.name}, has {largest.memory_bytes // GIB}GB"
        raise BadRequest(f"{text!r}: no GPU has that much memory; {have}")
    return Choice(None, count, memory_bytes)
