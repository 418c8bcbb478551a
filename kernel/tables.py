"""Tables for notebooks: plain text and HTML from the same rows."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """HTML where a front end shows it, else aligned text; `footer` lines stand below, `empty` for no rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    footer: Sequence[str] = ()
    empty: str = ""

    def __repr__(self) -> str:
        if not self.rows:
            return "\n".join([self.empty, *self.footer]).strip()
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = [self.columns, ["─" * width for width in widths], *self.rows]
        body = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        return "\n".join([*body, *self.footer])

    def _repr_html_(self) -> str:
        if not self.rows:
            return "".join(f"<div>{html.escape(line)}</div>" for line in (self.empty, *self.footer) if line)
        head = "".join(f'<th style="text-align: left">{html.escape(column)}</th>' for column in self.columns)
        body = "".join(f"<tr>{_cells(row)}</tr>" for row in self.rows)
        footer = "".join(f"<div>{html.escape(line)}</div>" for line in self.footer)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{footer}"


def _cells(row: Sequence[str]) -> str:
    return "".join(f'<td style="text-align: left">{html.escape(cell)}</td>' for cell in row)
