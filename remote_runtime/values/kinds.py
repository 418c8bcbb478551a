"""What kinds of objects there are, seen from a notebook: atoms, its own functions and classes, what modules have."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import functools
import logging
import pathlib
import re
import sys
import uuid
import weakref
from enum import Enum
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GenericAlias,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodWrapperType,
    ModuleType,
    UnionType,
    WrapperDescriptorType,
)
from typing import Any

NOTEBOOK = "__main__"

SIMPLE = frozenset({bool, int, float, str, type(None)})
"""What a list of which is the commonest: told by its types alone."""
ATOMS = SIMPLE | {
    complex, bytes, range, type(...), type(NotImplemented), decimal.Decimal, fractions.Fraction, uuid.UUID,
    dt.date, dt.datetime, dt.time, dt.timedelta, dt.timezone, re.Pattern,
    pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath,
}  # fmt: skip
"""Types of values that nobody can change."""
_PARTS_OF_MODULES = (
    ModuleType, CodeType, GetSetDescriptorType, MemberDescriptorType, MethodDescriptorType,
    MethodWrapperType, WrapperDescriptorType, GenericAlias, UnionType, logging.Logger, weakref.ref,
)  # fmt: skip
_LRU_CACHE = type(functools.lru_cache(lambda: None))


def is_notebooks(thing: Any) -> bool:
    """Whether a function or class was made in the notebook."""
    return getattr(thing, "__module__", None) == NOTEBOOK


def is_notebook_function(value: Any) -> bool:
    return isinstance(value, FunctionType) and (is_notebooks(value) or not _can_be_imported(value))


def is_notebook_class(value: Any) -> bool:
    return isinstance(value, type) and (is_notebooks(value) or "<locals>" in value.__qualname__)


def is_notebook_cache(value: Any) -> bool:
    """A function of the notebook in ``functools.lru_cache``."""
    return isinstance(value, _LRU_CACHE) and is_notebook_function(getattr(value, "__wrapped__", None))


def _can_be_imported(thing: Any) -> bool:
    """Whether a function or class is where its name says; closures of modules are not."""
    found: Any = sys.modules.get(getattr(thing, "__module__", None) or "")
    for part in thing.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is thing


def is_atom(value: Any) -> bool:
    """Whether a value has no parts that can change, or belongs to a module, and not to the notebook."""
    kind = type(value)
    if kind in ATOMS:
        return True
    if isinstance(value, FunctionType):
        return not is_notebook_function(value)
    if isinstance(value, type):
        return not is_notebook_class(value)
    if isinstance(value, Enum):
        return not is_notebook_class(kind)
    if isinstance(value, BuiltinFunctionType):
        return isinstance(value.__self__, ModuleType | type | None)
    return isinstance(value, _PARTS_OF_MODULES) or _is_library_atom(value)


_LIBRARY_ATOMS = {
    "numpy": ("dtype", "generic", "ufunc"),
    "pandas": ("Timestamp", "Timedelta", "Period", "Interval"),
    "pyarrow": (
        "DataType",
        "Schema",
        "Field",
        "Array",
        "ChunkedArray",
        "RecordBatch",
        "Table",
        "Scalar",
        "Buffer",
    ),
    "polars": ("DataType",),
    "torch": ("dtype", "device", "Size"),
}


def _is_library_atom(value: Any) -> bool:
    library = type(value).__module__.partition(".")[0]
    names = _LIBRARY_ATOMS.get(library, ())
    module = sys.modules.get(library)
    if library == "pandas" and (value is getattr(module, "NA", ...) or value is getattr(module, "NaT", ...)):
        return True
    return any(
        isinstance(value, found) for name in names if isinstance(found := getattr(module, name, None), type)
    )
