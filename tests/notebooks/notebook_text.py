"""Notebooks written as Markdown: what is fenced as ``python`` is a code cell, all else is Markdown.

Words after ``python`` are the cell's tags: ``raises-exception`` lets the run go on after an error.
"""

from __future__ import annotations

import re
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

_CELL = re.compile(r"^```python *(?P<tags>[^\n]*)\n(?P<source>.*?)\n```$", re.MULTILINE | re.DOTALL)


def read_notebook(path: Path) -> NotebookNode:
    text = path.read_text(encoding="utf-8")
    cells, end = [], 0
    for found in _CELL.finditer(text):
        cells += _markdown(text[end : found.start()])
        cells.append(new_code_cell(found["source"], metadata={"tags": found["tags"].split()}))
        end = found.end()
    return new_notebook(cells=[*cells, *_markdown(text[end:])])


def _markdown(text: str) -> list[NotebookNode]:
    return [new_markdown_cell(text.strip())] if text.strip() else []
