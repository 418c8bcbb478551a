"""Dataclasses of the notebook for a Python of another minor version: their generated methods have no source.

They are left out, and made again there.
"""

from __future__ import annotations

import dataclasses
import inspect
from types import FunctionType
from typing import Any

_GENERATED = "<string>"
_SETTINGS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen", "match_args", "kw_only")


def is_generated(value: Any) -> bool:
    return isinstance(value, type) and "__dataclass_params__" in vars(value)


def without_generated(kind: Any, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """What pickle is told of the class, less what `dataclasses` made."""
    make, arguments, (attributes, slots), *_, complete = reduced
    own = {name: value for name, value in attributes.items() if not _is_made(value)}
    parameters = kind.__dataclass_params__
    settings = {name: getattr(parameters, name) for name in _SETTINGS if hasattr(parameters, name)}
    return make, arguments, (complete, (own, slots), settings), None, None, make_again


def _is_made(value: Any) -> bool:
    function = getattr(value, "__wrapped__", value)  # a repr is wrapped against recursion
    return isinstance(function, FunctionType) and function.__code__.co_filename == _GENERATED


def make_again(kind: Any, state: tuple[Any, Any, dict[str, Any]]) -> None:
    """Called by pickle. A class attribute that is a field says all that was said of the field."""
    complete, attributes, settings = state
    is_there = "__dataclass_fields__" in vars(kind)  # it came from here, and is back
    complete(kind, attributes)
    if is_there:
        return
    for name in inspect.get_annotations(kind):
        if name in kind.__dataclass_fields__ and "__slots__" not in vars(kind):
            setattr(kind, name, kind.__dataclass_fields__[name])
    dataclasses.dataclass(**settings)(kind)
