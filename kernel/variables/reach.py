"""The notebook's names that a value's functions read: functions, methods, closures, instances, wherever they lie."""

from __future__ import annotations

import dis
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from farcell.remote_runtime.values.references import reachable

from . import frame_readers

_READS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_WRITES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})


@dataclass(frozen=True, slots=True)
class Reach:
    """`reads` are names that exist in the namespace, `makes` what functions would make there; as in `Analysis`."""

    reads: frozenset[str]
    makes: frozenset[str]
    opaque: frozenset[str]


def reached(names: Iterable[str], namespace: Mapping[str, Any]) -> Reach:
    """What running code that has these names may read and make besides, followed from function to function.

    The names themselves are in `reads`, as far as they exist.
    """
    reads: dict[str, None] = {}
    makes: set[str] = set()
    opaque: set[str] = set()
    waiting = sorted(set(names).intersection(namespace))
    seen: set[CodeType] = set()
    while waiting:
        name = waiting.pop()
        if name in reads:
            continue
        reads[name] = None
        for code in _codes(namespace[name], namespace):
            if code in seen:
                continue
            seen.add(code)
            found = reads_of(code)
            makes |= found.makes
            opaque |= {word for word in found.opaque if word not in namespace or word == "get_ipython"}
            waiting.extend(found.reads.intersection(namespace))
    return Reach(frozenset(reads), frozenset(makes), frozenset(opaque))


def _codes(value: Any, namespace: Mapping[str, Any]) -> Iterator[CodeType]:
    """The code of the notebook's functions that can be reached from a value."""
    for _, one in reachable(value):
        if isinstance(one, FunctionType) and one.__globals__ is namespace:
            yield one.__code__


@lru_cache(maxsize=4096)
def reads_of(code: CodeType) -> Reach:
    """The global names of a code object and of all that is defined in it; from its instructions."""
    reads: set[str] = set()
    makes: set[str] = set()
    opaque: set[str] = set()
    for instruction in dis.get_instructions(code):
        if instruction.opname in _READS:
            reads.add(instruction.argval)
        elif instruction.opname in _WRITES:
            makes.add(instruction.argval)
        elif instruction.opname == "IMPORT_NAME" and instruction.argval in frame_readers.MODULES:
            opaque.add(f"import {instruction.argval}")
    opaque |= reads & (frame_readers.BUILTINS - frame_readers.WITHOUT_ARGUMENTS)
    opaque |= {f".{name}" for name in frame_readers.ATTRIBUTES.intersection(code.co_names)}
    readers = frame_readers.TEXT_READERS.intersection(code.co_names)
    if readers:
        texts = [one for one in code.co_consts if isinstance(one, str)]
        reads.update(name for text in texts for name in frame_readers.names_in(text))
        if not texts and readers != {"eval"}:  # a model has an eval(), too
            opaque |= {f"{name}() of a text that is made elsewhere" for name in readers}
    for nested in (one for one in code.co_consts if isinstance(one, CodeType)):
        found = reads_of(nested)
        reads |= found.reads
        makes |= found.makes
        opaque |= found.opaque
    return Reach(frozenset(reads), frozenset(makes), frozenset(opaque))
