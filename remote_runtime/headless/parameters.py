"""Parameters of a run, as papermill has them: a cell tagged ``parameters`` has defaults, one behind it replaces them.

Pure.
"""

from __future__ import annotations

import ast
import difflib
import json
import keyword
from collections.abc import Iterable, Mapping
from typing import Any

import nbformat
from nbformat import NotebookNode

from ..errors import BadRequest

DEFAULTS, INJECTED = "parameters", "injected-parameters"


def parse_parameters(texts: Iterable[str]) -> dict[str, Any]:
    """Of ``name=value``: a Python literal (``0.1``, ``[1, 2]``, ``None``), else JSON (``true``), else text."""
    parameters: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise BadRequest(f"{text!r} is no parameter: write name=value")
        if not name.isidentifier() or keyword.iskeyword(name):
            raise BadRequest(f"{name!r} is no name of a variable, and so none of a parameter")
        if name in parameters:
            raise BadRequest(f"the parameter {name} is given twice")
        parameters[name] = _value(value)
    return parameters


def _value(text: str) -> Any:
    """What Python can't write again as a literal (``NaN``, ``1e999``) stays text."""
    for read in (ast.literal_eval, json.loads):
        try:
            value = read(text)
            ast.literal_eval(repr(value))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return value
    return text


def inject(notebook: NotebookNode, parameters: Mapping[str, Any]) -> None:
    """Puts the cell with `parameters` behind the one with the defaults, in place of an earlier run's; else first."""
    cells = notebook.cells
    defaults, injected = _tagged(notebook, DEFAULTS), _tagged(notebook, INJECTED)
    cell = _cell(notebook, parameters, cells[defaults].source if defaults is not None else "")
    if injected is not None:
        cells[injected] = cell
    else:
        cells.insert(0 if defaults is None else defaults + 1, cell)


def unknown_parameters(notebook: NotebookNode, parameters: Iterable[str]) -> dict[str, str | None]:
    """Those that the cell with the defaults does not set, each with the nearest that it does; empty without one."""
    defaults = _tagged(notebook, DEFAULTS)
    if defaults is None:
        return {}
    known = _assigned(_without_magic(notebook.cells[defaults].source)[1])
    return {
        name: next(iter(difflib.get_close_matches(name, known, n=1)), None)
        for name in parameters
        if name not in known
    }


def _tagged(notebook: NotebookNode, tag: str) -> int | None:
    tagged = (
        index
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and tag in cell.metadata.get("tags", [])
    )
    return next(tagged, None)


def _cell(notebook: NotebookNode, parameters: Mapping[str, Any], defaults: str) -> NotebookNode:
    """It runs where the defaults do: behind ``%%gpu`` or ``%%local``, if they stand behind one."""
    magic, _ = _without_magic(defaults)
    lines = ["# Parameters", *(f"{name} = {value!r}" for name, value in parameters.items())]
    cell: NotebookNode = nbformat.v4.new_code_cell(  # type: ignore[no-untyped-call]
        "\n".join([*magic, *lines]), metadata={"tags": [INJECTED]}
    )
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        del cell["id"]  # cells had none
    return cell


def _without_magic(source: str) -> tuple[list[str], str]:
    first, _, rest = source.partition("\n")
    return ([first], rest) if first.startswith("%%") else ([], source)


def _assigned(source: str) -> set[str]:
    """The variables that plain assignments at the top set; none where the source is not plain Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return set()
    return {
        name.id
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    }
