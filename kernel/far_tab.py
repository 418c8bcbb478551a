"""Completions and inspections in a ``%%gpu`` cell, whose names live in a session; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .arguments import CellArguments, parse_cell

_MAGIC_LINE = re.compile(r"\s*%%gpu(?P<arguments>[ \t][^\n]*)?\n")
_TYPES = "_jupyter_types_experimental"
"""In the metadata of ipykernel's completions: each with its own positions."""


@dataclass(frozen=True, slots=True)
class FarCode:
    """What a ``%%gpu`` cell sends: it begins behind the first `offset` characters of the whole cell."""

    arguments: CellArguments
    offset: int

    def question(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """A request's content, about the far code alone."""
        code, cursor = content["code"][self.offset :], content["cursor_pos"] - self.offset
        return {**content, "code": code, "cursor_pos": cursor}

    def answer(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """A reply's content, with positions in the whole cell."""
        moved = self._moved(content, "cursor_start", "cursor_end")
        metadata = content.get("metadata") or {}
        if types := metadata.get(_TYPES):
            moved["metadata"] = {**metadata, _TYPES: [self._moved(one, "start", "end") for one in types]}
        return moved

    def _moved(self, facts: Mapping[str, Any], *names: str) -> dict[str, Any]:
        return {
            name: value + self.offset if name in names and isinstance(value, int) else value
            for name, value in facts.items()
        }


def far_code(code: str, cursor: int) -> FarCode | None:
    """None for a cell that does not begin with ``%%gpu``, and where the cursor is still in that line.

    Raises `BadRequest` for a line that can't be read.
    """
    line = _MAGIC_LINE.match(code)
    if line is None or cursor < line.end():
        return None
    return FarCode(parse_cell(line["arguments"] or ""), line.end())
