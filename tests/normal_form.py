"""What a run notebook shows, without what differs between any two runs of it on the same kernel.

That is: addresses, process ids, durations, clock times, folders, the ids of models and tables, and which of the two
streams was flushed first while nothing came between them. Ids are numbered as they first appear, so that it still
shows which of them are the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nbformat import NotebookNode

_CHANCE = [
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "0x…"),
    (re.compile(r"ipykernel_\d+"), "ipykernel_…"),
    (re.compile(r"(?<=CPU times: )[^\n]+|(?<=Wall time: )[^\n]+"), "…"),
    (re.compile(r"^(Compiler|Parser) *: [^\n]+\n", re.MULTILINE), ""),
    (re.compile(r"[\d.]+ [nµμm]?s ± [\d.]+ [nµμm]?s(?= per loop)"), "…"),
    (re.compile(r"\d\d:\d\d(?:<|&lt;)\d\d:\d\d,\s*[\d.?]+(?:it/s|s/it)"), "…"),
    (re.compile(r"(?<= in )\d+\.\d{3}s"), "…"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?"), "<time>"),
]
_ID = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=\bT_)[0-9a-f]{5})(?![0-9a-f])"
)


def normal_form(notebook: NotebookNode, places: Mapping[str, str] | None = None) -> dict[str, Any]:
    """`places` are folders, and what to call each of them."""
    return _Normal(places or {}).of(
        {
            "cells": [_cell(cell) for cell in notebook.cells if cell.cell_type == "code"],
            "language": notebook.metadata.get("language_info"),
            "widgets": notebook.metadata.get("widgets"),
        }
    )


def _cell(cell: NotebookNode) -> dict[str, Any]:
    return {
        "source": cell.source,
        "execution_count": cell.execution_count,
        "outputs": _with_joined_streams(cell.outputs),
    }


def _with_joined_streams(outputs: list[NotebookNode]) -> list[dict[str, Any]]:
    """Between two other outputs, all of stdout and then all of stderr."""
    joined: list[dict[str, Any]] = []
    texts: dict[str, str] = {}
    for output in [*outputs, None]:
        if output is not None and output.output_type == "stream":
            texts[output.name] = texts.get(output.name, "") + output.text
            continue
        joined += [
            {"stream": name, "text": _overwritten(texts[name])} for name in sorted(texts, reverse=True)
        ]
        texts.clear()
        if output is not None:
            joined.append(dict(output))
    return joined


def _overwritten(text: str) -> str:
    """What is left to see where carriage returns go back to a line's beginning."""
    return "\n".join(_overwritten_line(line) for line in text.split("\n"))


def _overwritten_line(line: str) -> str:
    shown = ""
    for part in line.split("\r"):
        shown = part + shown[len(part) :]
    return shown


class _Normal:
    def __init__(self, places: Mapping[str, str]) -> None:
        # the longest first: one may lie in another
        self._places = sorted(places.items(), key=lambda item: -len(item[0]))
        self._ids: dict[str, str] = {}

    def of(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(key): self.of(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(item) for item in value]
        return value

    def _text(self, text: str) -> str:
        for folder, name in self._places:
            text = text.replace(folder, name)
        for pattern, instead in _CHANCE:
            text = pattern.sub(instead, text)
        return _ID.sub(self._number, text)

    def _number(self, found: re.Match[str]) -> str:
        return self._ids.setdefault(found[0], f"<id {len(self._ids) + 1}>")
