"""Jobs of a notebook that runs without a front end: its end waits for them; pure."""

from __future__ import annotations

import re

import nbformat
from nbformat import NotebookNode

from .notebook_file import is_run

WAIT = "%gpu wait"
TAG = "waits-for-jobs"
_JOB = re.compile(r"\s*%%gpu[ \t]+([^\n]*[ \t])?--bg([ \t]|$)", re.MULTILINE)
_WAIT = re.compile(rf"^[ \t]*{WAIT}[ \t]*$", re.MULTILINE)


def wait_at_the_end(notebook: NotebookNode) -> None:
    """Adds a cell that waits, where jobs are begun that no cell after them waits for."""
    waited = True
    for cell in filter(is_run, notebook.cells):
        waited = _WAIT.search(cell.source) is not None or (waited and _JOB.match(cell.source) is None)
    if not waited:
        cell = nbformat.v4.new_code_cell(WAIT, metadata={"tags": [TAG]})  # type: ignore[no-untyped-call]
        if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
            del cell["id"]  # cells had none
        notebook.cells.append(cell)
