"""The notebook's functions, rebuilt with the other side's namespace as their globals.

Pickle calls the functions of this module there. Cells stay shared between closures: each travels as a `Box`, which is
one object however many functions have it, and is filled by whichever of them comes first.
"""

from __future__ import annotations

import functools
from types import CellType, CodeType, FunctionType
from typing import Any

from .code_source import SourceCode, source_of

_STATE = ("__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__", "__type_params__")


class Box:
    """A cell on its way; it is there as an empty cell."""

    def __reduce__(self) -> tuple[Any, ...]:
        return CellType, ()


class Boxes:
    """The boxes of the cells that one pickling has met."""

    def __init__(self) -> None:
        self._boxes: dict[int, tuple[CellType, Box]] = {}

    def box(self, cell: CellType) -> Box:
        return self._boxes.setdefault(id(cell), (cell, Box()))[1]


def reduce_function(function: FunctionType, boxes: Boxes) -> tuple[Any, ...]:
    """For pickle. What may refer back to the function is set when it is there."""
    code = function.__code__
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    boxed = {name: boxes.box(cell) for name, cell in cells.items()}
    state = {name: getattr(function, name) for name in _STATE if hasattr(function, name)}
    state["__annotations__"] = dict(function.__annotations__)
    contents = [(boxed[name], cell.cell_contents) for name, cell in cells.items() if is_filled(cell)]
    arguments = (code, function.__globals__, function.__name__, boxed)
    return make_function, arguments, (state, dict(function.__dict__), contents), None, None, complete_function


def reduce_code(code: CodeType) -> tuple[Any, ...]:
    """As source; raises `NoSource`."""
    return compiled, (source_of(code),)


def reduce_cell(cell: CellType, boxes: Boxes) -> tuple[Any, ...]:
    """For one that somebody has without its function."""
    contents = (cell.cell_contents,) if is_filled(cell) else ()
    return same_cell, (boxes.box(cell),), contents, None, None, fill_cell


def reduce_cache(cache: Any) -> tuple[Any, ...]:
    """A function in ``functools.lru_cache``; what it remembers stays here."""
    return make_cache, (cache.__wrapped__, cache.cache_parameters())


def is_filled(cell: CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


# called by pickle on the other side


def compiled(source: SourceCode) -> CodeType:
    return source.compiled()


def make_function(
    code: CodeType, namespace: dict[str, Any], name: str, cells: dict[str, CellType]
) -> FunctionType:
    """The other Python may have another order of cells: they have names."""
    closure = tuple(cells.get(free) or CellType() for free in code.co_freevars)
    return FunctionType(code, namespace, name, None, closure or None)


def complete_function(
    function: FunctionType, state: tuple[dict[str, Any], dict[str, Any], list[Any]]
) -> None:
    attributes, own, contents = state
    for name, value in attributes.items():
        if name != "__type_params__" or hasattr(function, name):
            setattr(function, name, value)
    function.__dict__.update(own)
    for cell, value in contents:
        cell.cell_contents = value


def same_cell(cell: CellType) -> CellType:
    return cell


def fill_cell(cell: CellType, contents: tuple[Any, ...]) -> None:
    for value in contents:
        cell.cell_contents = value


def make_cache(function: Any, parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)
