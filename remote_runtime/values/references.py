"""What a value is made of: its parts, each with the words by which code gets at it.

Groups, functions that are reached and the path to what can't be sent all walk the same graph. Atoms and what modules
have are left out.
"""

from __future__ import annotations

import gc
import json
import sys
from array import array
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from functools import partial
from types import BuiltinMethodType, CellType, FunctionType, MethodType
from typing import Any

from .kinds import (
    ATOMS,
    SIMPLE,
    is_atom,
    is_notebook_cache,
    is_notebook_class,
    is_notebooks,
)

Part = tuple[str, Any]


def parts(value: Any) -> Iterator[Part]:
    """The parts of a value that are no atoms: ``(".conn", socket)``, ``('["db"]', config)``."""
    return ((label, part) for label, part in _all_parts(value) if not is_atom(part))


Identity = tuple[str, int]


def reachable(root: Any, known: Container[Identity] = ()) -> Iterator[tuple[Identity, Any]]:
    """All objects that are no atoms and can be reached, each once; safe with cycles of any depth.

    Those that are `known` come, too, but not what is behind them.
    """
    seen: dict[Identity, Any] = {}
    waiting = [] if is_atom(root) else [root]
    while waiting:
        value = waiting.pop()
        identity = identity_of(value)
        if identity not in seen:
            seen[identity] = value  # kept, so that no other object gets its id meanwhile
            is_known = identity in known
            yield identity, value
            if not is_known:
                waiting.extend(part for _, part in parts(value))


def has_simple_items(value: Any) -> bool:
    """Whether a list, tuple, set or dict has atoms alone, told at the speed of C."""
    if isinstance(value, dict):
        return ATOMS.issuperset(map(type, value)) and ATOMS.issuperset(map(type, value.values()))
    return SIMPLE.issuperset(map(type, value)) or ATOMS.issuperset(map(type, value))


def _all_parts(value: Any) -> Iterable[Part]:
    for kinds, found in _BY_TYPE:
        if isinstance(value, kinds):
            return found(value)
    library = _BY_LIBRARY.get(type(value).__module__.partition(".")[0])
    of_library = library(value) if library is not None else None
    if of_library is not None:
        return of_library
    return ((".__wrapped__", value.__wrapped__),) if is_notebook_cache(value) else _instance_parts(value)


def _items(value: Any) -> Iterator[Part]:
    if not has_simple_items(value):
        if isinstance(value, dict):
            for key, item in list(value.items()):
                yield f"[{_words(key)}]", item
                yield " (a key)", key
        elif isinstance(value, set | frozenset):
            yield from ((" (an item)", item) for item in list(value))
        else:
            yield from ((f"[{index}]", item) for index, item in enumerate(list(value)))
    if type(value) not in {dict, list, tuple, set, frozenset, deque}:
        yield from _attributes(value)
        yield from _own_class(value)


def _words(key: Any) -> str:
    if type(key) is str:
        return json.dumps(key, ensure_ascii=False)
    return repr(key) if type(key) in SIMPLE else type(key).__name__


def _function_parts(value: FunctionType) -> Iterator[Part]:
    """Not its globals: those are names of their own."""
    names = value.__code__.co_freevars
    yield from ((f" (its {name})", cell) for name, cell in zip(names, value.__closure__ or (), strict=True))
    yield from ((" (a default)", default) for default in value.__defaults__ or ())
    yield from ((f" (its {name}=)", default) for name, default in (value.__kwdefaults__ or {}).items())
    yield from ((f".{name}", item) for name, item in value.__dict__.items())


_OF_EVERY_CLASS = frozenset(
    {"__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "_abc_impl"}
)


def _class_parts(value: type) -> Iterator[Part]:
    yield from ((f" (a base, {base.__name__})", base) for base in value.__bases__)
    for name, item in list(vars(value).items()):
        if name in _OF_EVERY_CLASS:
            continue
        if isinstance(item, staticmethod | classmethod):
            yield f".{name}", item.__func__
        elif isinstance(item, property):
            yield from ((f".{name}", function) for function in (item.fget, item.fset, item.fdel))
        else:
            yield f".{name}", item


def _instance_parts(value: Any) -> Iterator[Part]:
    """Attributes; of objects without any, what Python's garbage collector knows of them."""
    found = list(_attributes(value))
    known = {id(part) for _, part in found} | {id(getattr(value, "__dict__", None)), id(type(value))}
    yield from found
    yield from _own_class(value)
    for part in gc.get_referents(value):
        if id(part) not in known and not isinstance(part, type):
            yield "", part


def _attributes(value: Any) -> Iterator[Part]:
    yield from ((f".{name}", item) for name, item in list(getattr(value, "__dict__", {}).items()))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in {"__dict__", "__weakref__"} and hasattr(value, name):
                yield f".{name}", getattr(value, name)


def _own_class(value: Any) -> Iterator[Part]:
    """A class of the notebook has state that its instances may change."""
    if is_notebooks(type(value)) or is_notebook_class(type(value)):
        yield " (its class)", type(value)


def _method_parts(value: Any) -> Iterable[Part]:
    return ((".__self__", value.__self__), (".__func__", getattr(value, "__func__", None)))


def _partial_parts(value: Any) -> Iterable[Part]:
    return ((".func", value.func), (".args", value.args), (".keywords", value.keywords), *_attributes(value))


def _cell_parts(cell: CellType) -> Iterable[Part]:
    try:
        return (("", cell.cell_contents),)
    except ValueError:
        return ()


def _numpy_parts(value: Any) -> Iterable[Part] | None:
    return _array_parts(value) if isinstance(value, sys.modules["numpy"].ndarray) else None


def _array_parts(value: Any) -> Iterator[Part]:
    """The owner of its memory, which other views share; objects in it."""
    if value.base is not None:
        yield "", value.base
    if value.dtype.hasobject:
        items = value.ravel().tolist()
        if not has_simple_items(items):
            yield from ((f".flat[{index}]", item) for index, item in enumerate(items))
    yield from _attributes(value)


def _pandas_parts(value: Any) -> Iterator[Part]:
    """Blocks, which frames, series and views share; not an Index, which never changes."""
    pandas = sys.modules["pandas"]
    if isinstance(value, pandas.Index):
        return
    if isinstance(value, pandas.DataFrame | pandas.Series):
        manager = value._mgr  # noqa: SLF001 (there is no public way to what is shared)
        for block in manager.blocks:
            names = value.columns[block.mgr_locs.as_array] if value.ndim == 2 else [value.name]
            yield f"[{names[0]!r}]" if len(names) else "", block.values
        yield from ((f".attrs[{name!r}]", item) for name, item in value.attrs.items())
    elif isinstance(value, pandas.api.extensions.ExtensionArray):
        for name in ("_ndarray", "_data", "_mask", "_left", "_right", "_sparse_values"):
            part = getattr(value, name, None)
            if part is not None:
                yield "", part
    else:
        yield from _instance_parts(value)


def _torch_parts(value: Any) -> Iterable[Part] | None:
    return _tensor_parts(value) if isinstance(value, sys.modules["torch"].Tensor) else None


def _tensor_parts(value: Any) -> Iterator[Part]:
    if value.layout is sys.modules["torch"].strided:
        yield "", value.untyped_storage()
    if value.grad is not None:
        yield ".grad", value.grad
    yield from _attributes(value)


_BY_TYPE: tuple[tuple[tuple[type, ...], Callable[[Any], Iterable[Part]]], ...] = (
    ((dict, list, tuple, set, frozenset, deque), _items),
    ((bytearray, array), lambda _: ()),
    ((FunctionType,), _function_parts),
    ((type,), _class_parts),
    ((memoryview,), lambda value: (("", value.obj),)),
    ((MethodType, BuiltinMethodType), _method_parts),
    ((partial,), _partial_parts),
    ((CellType,), _cell_parts),
)
_BY_LIBRARY: dict[str, Callable[[Any], Iterable[Part] | None]] = {
    "numpy": _numpy_parts,
    "pandas": _pandas_parts,
    "torch": _torch_parts,
}


def identity_of(value: Any) -> Identity:
    """Equal for what is the same: torch makes a new Python object for a tensor's memory each time."""
    if type(value).__name__ == "UntypedStorage":
        return "memory", value.data_ptr()
    return "object", id(value)


def first_path(root: str, value: Any, wanted: Any) -> str | None:
    """The shortest words by which code gets from a name to an object: ``cfg["db"].conn``."""
    kept = {id(value): value}
    waiting = deque([(root, value)])
    while waiting:
        path, here = waiting.popleft()
        if here is wanted:
            return path
        for label, part in parts(here):
            if id(part) not in kept:
                kept[id(part)] = part
                waiting.append((path + label, part))
    return None
