"""Containers, dataclasses and values that Python brings along."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import fractions
import sys
import uuid
from array import array
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import Unreadable
from .kinds import is_notebooks
from .memory import Stretch
from .references import has_simple_items

if TYPE_CHECKING:
    from .decoder import Decoder
    from .encoder import Encoder, Node

_PACKED_FROM = 64
"""Lists of numbers of this length and more are packed; shorter ones read better."""


def _write_sequence(encoder: Encoder, value: Any) -> Node | None:
    if not (encoder.nests or has_simple_items(value)):
        return None
    kind = type(value).__name__
    types = set(map(type, value)) if len(value) >= _PACKED_FROM else set()
    if types == {float}:
        return [kind, "d", encoder.buffer(array("d", value))]
    if types == {int}:
        try:
            return [kind, "q", encoder.buffer(array("q", value))]
        except OverflowError:
            pass
    return [kind, "", encoder.items(list(value))]


def _items(decoder: Decoder, node: Node) -> Any:
    _, code, content = node
    if not code:
        return map(decoder.item, content)
    if code not in {"d", "q"}:
        raise Unreadable(f"a list is packed as {code!r}")
    packed = array(code)
    packed.frombytes(decoder.buffer(content))
    return packed


def _read_list(decoder: Decoder, node: Node) -> list[Any]:
    made: list[Any] = []
    decoder.later(lambda: made.extend(_items(decoder, node)))
    return made


def _write_dict(encoder: Encoder, value: dict[Any, Any]) -> Node | None:
    if not (encoder.nests or has_simple_items(value)):
        return None
    return ["dict", encoder.items(list(value)), encoder.items(list(value.values()))]


def _read_dict(decoder: Decoder, node: Node) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    decoder.later(
        lambda: made.update(zip(map(decoder.item, node[1]), map(decoder.item, node[2]), strict=True))
    )
    return made


def _read_set(decoder: Decoder, node: Node) -> set[Any]:
    made: set[Any] = set()
    decoder.later(lambda: made.update(_items(decoder, node)))
    return made


def _write_deque(encoder: Encoder, value: deque[Any]) -> Node | None:
    if not (encoder.nests or has_simple_items(value)):
        return None
    return ["deque", value.maxlen, encoder.items(list(value))]


def _read_deque(decoder: Decoder, node: Node) -> deque[Any]:
    made: deque[Any] = deque(maxlen=node[1])
    decoder.later(lambda: made.extend(map(decoder.item, node[2])))
    return made


def _write_bytearray(encoder: Encoder, value: bytearray) -> Node:
    node: Node = ["bytearray", None, 0]
    if value:
        import ctypes

        low = ctypes.addressof((ctypes.c_char * len(value)).from_buffer(value))
        stretch = Stretch(node, low, low + len(value), low, len(value), value, owns_bytearray=True)
        encoder.lies(stretch, value)
    return node


def _read_bytearray(decoder: Decoder, node: Node) -> bytearray:
    return bytearray() if node[1] is None else decoder.memory(node[1])


# values without parts


def _text_node(kind: str) -> Callable[[Encoder, Any], Node]:
    return lambda _, value: [kind, str(value)]


def _write_str(encoder: Encoder, value: str) -> Node:
    return ["str", encoder.buffer(value.encode("utf-8", "surrogatepass"))]


def _write_time(_: Encoder, value: Any) -> Node | None:
    """Zones by name are objects of libraries; `fold` is only of use to these."""
    zone = value.tzinfo if not isinstance(value, dt.timezone) else value
    if (zone is not None and type(zone) is not dt.timezone) or getattr(value, "fold", False):
        return None
    return [type(value).__name__, value.isoformat()] if zone is None or _is_exact(zone) else None


def _is_exact(zone: dt.timezone) -> bool:
    """Its name is that of its offset: ``timezone(timedelta(hours=1), "summer")`` has one of its own."""
    return zone.tzname(None) == dt.timezone(zone.utcoffset(None) or dt.timedelta()).tzname(None)


# dataclasses


def dataclass_writer(value: Any) -> Any:
    """For instances that are their fields and nothing more."""
    kind = type(value)
    if not dataclasses.is_dataclass(kind) or kind.__new__ is not object.__new__:
        return None
    if kind.__reduce_ex__ is not object.__reduce_ex__ or kind.__reduce__ is not object.__reduce__:
        return None
    state = kind.__getstate__
    is_usual = state is object.__getstate__ and not hasattr(kind, "__setstate__")
    is_slotted = state is getattr(dataclasses, "_dataclass_getstate", None)
    return _write_dataclass if is_usual or is_slotted else None


def _write_dataclass(encoder: Encoder, value: Any) -> Node | None:
    kind = type(value)
    names = [one.name for one in dataclasses.fields(kind)]
    if not encoder.nests:
        return None
    if set(getattr(value, "__dict__", ())) - set(names) or not all(hasattr(value, name) for name in names):
        return None
    if _find_class(kind.__module__, kind.__qualname__, sys.modules) is not kind:
        return None
    if is_notebooks(kind) and not encoder.by_name:
        return None
    fields = encoder.items([getattr(value, name) for name in names])
    return ["dataclass", kind.__module__, kind.__qualname__, names, fields]


def _find_class(module: str, qualname: str, modules: Any) -> Any:
    found = modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def _read_dataclass(decoder: Decoder, node: Node) -> Any:
    """Without calling anything of the class; it has to be there."""
    _, module, qualname, names, items = node
    kind: Any = decoder.find_class(module, qualname)
    if "__dataclass_fields__" not in vars(kind) or names != [one.name for one in dataclasses.fields(kind)]:
        raise Unreadable(
            f"the class {qualname} of {module} is not the dataclass that it is on the other side"
        )
    made = object.__new__(kind)

    def fill() -> None:
        for name, item in zip(names, items, strict=True):
            object.__setattr__(made, name, decoder.item(item))

    decoder.fill(made, fill, at_once=kind.__hash__ not in {None, object.__hash__})
    return made


WRITERS: dict[type, Callable[[Any, Any], Any]] = {
    list: _write_sequence,
    tuple: _write_sequence,
    dict: _write_dict,
    set: _write_sequence,
    frozenset: _write_sequence,
    deque: _write_deque,
    bytearray: _write_bytearray,
    str: _write_str,
    int: lambda _, value: ["int", hex(value)],
    bytes: lambda encoder, value: ["bytes", encoder.buffer(value)],
    complex: lambda _, value: ["complex", value.real, value.imag],
    range: lambda _, value: ["range", value.start, value.stop, value.step],
    slice: lambda encoder, value: ["slice", *encoder.items([value.start, value.stop, value.step])],
    type(...): lambda _, __: ["ellipsis"],
    decimal.Decimal: _text_node("Decimal"),
    fractions.Fraction: _text_node("Fraction"),
    uuid.UUID: _text_node("UUID"),
    dt.date: lambda _, value: ["date", value.isoformat()],
    dt.datetime: _write_time,
    dt.time: _write_time,
    dt.timedelta: lambda _, value: ["timedelta", value.days, value.seconds, value.microseconds],
}
READERS: dict[str, Callable[[Any, Any], Any]] = {
    "list": _read_list,
    "tuple": lambda decoder, node: tuple(_items(decoder, node)),
    "dict": _read_dict,
    "set": _read_set,
    "frozenset": lambda decoder, node: frozenset(_items(decoder, node)),
    "deque": _read_deque,
    "bytearray": _read_bytearray,
    "str": lambda decoder, node: bytes(decoder.buffer(node[1])).decode("utf-8", "surrogatepass"),
    "int": lambda _, node: int(node[1], 16),
    "bytes": lambda decoder, node: bytes(decoder.buffer(node[1])),
    "complex": lambda _, node: complex(*node[1:]),
    "range": lambda _, node: range(*node[1:]),
    "slice": lambda decoder, node: slice(*map(decoder.item, node[1:])),
    "ellipsis": lambda _, __: ...,
    "Decimal": lambda _, node: decimal.Decimal(node[1]),
    "Fraction": lambda _, node: fractions.Fraction(node[1]),
    "UUID": lambda _, node: uuid.UUID(node[1]),
    "date": lambda _, node: dt.date.fromisoformat(node[1]),
    "datetime": lambda _, node: dt.datetime.fromisoformat(node[1]),
    "time": lambda _, node: dt.time.fromisoformat(node[1]),
    "timedelta": lambda _, node: dt.timedelta(*node[1:]),
    "dataclass": _read_dataclass,
}
