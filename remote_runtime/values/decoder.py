"""Builds values again from nodes and buffers; calls nothing that the other side named."""

from __future__ import annotations

import importlib
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from . import lanes
from .errors import Unreadable


class Decoder:
    """For one call. Buffers that can be written to become the values' own memory; others are copied.

    `namespace` has the notebook's classes. `is_trusted`: a module that a node names is imported if it is not.
    """

    def __init__(
        self,
        header: dict[str, Any],
        buffers: Sequence[Any],
        namespace: dict[str, Any],
        *,
        is_trusted: bool,
    ) -> None:
        self._nodes: list[Any] = header["nodes"]
        self._segments: list[list[Any]] = header["segments"]
        self._buffers = buffers
        self._namespace = namespace
        self.is_trusted = is_trusted
        self._values: dict[int, Any] = {}
        self._building: set[int] = set()
        self._made: dict[Any, Any] = {}
        self._later: deque[Callable[[], None]] = deque()

    # for the lanes

    def item(self, item: Any) -> Any:
        """A scalar, or the value of a node; containers may still be empty."""
        return self._value(item[0]) if type(item) is list else item

    def buffer(self, number: int) -> memoryview:
        return memoryview(self._buffers[number]).cast("B")

    def memory(self, segment: int) -> Any:
        """A segment's bytes, that can be written to: the same object each time."""
        if segment not in self._made:
            number, is_bytearray = self._segments[segment]
            view = self.buffer(number)
            self._made[segment] = bytearray(view) if is_bytearray or view.readonly else view
        return self._made[segment]

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def length(self, item: list[int]) -> int:
        """How many items a list or tuple will have."""
        node = self._node(item[0])
        return self.buffer(node[2]).nbytes // 8 if node[1] else len(node[2])

    def later(self, fill: Callable[[], None]) -> None:
        """When all values are there, in the order of asking."""
        self._later.append(fill)

    def fill(self, made: Any, fill: Callable[[], None], *, at_once: bool) -> None:
        """At once for what may be a key: a set asks for its hash."""
        if at_once:
            self._values[self._here] = made
            fill()
        else:
            self.later(fill)

    def library(self, name: str) -> Any:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise Unreadable(f"{name} is not installed here, and the values need it: {error}") from error

    def find_class(self, module: str, qualname: str) -> Any:
        first, *others = qualname.split(".")
        known = self._namespace if module == "__main__" else vars(self._module(module) or object)
        found = known.get(first)
        for part in others:
            found = getattr(found, part, None)
        if not isinstance(found, type):
            raise Unreadable(f"the class {qualname} of {module} is not defined here")
        return found

    def _module(self, name: str) -> Any:
        if name not in sys.modules and self.is_trusted:
            try:
                return importlib.import_module(name)
            except ImportError as error:
                raise Unreadable(f"the module {name} can't be imported here: {error}") from error
        return sys.modules.get(name)

    # for who decodes

    def values(self, names: dict[str, Any]) -> dict[str, Any]:
        """All complete."""
        values = {name: self.item(item) for name, item in names.items()}
        self.settle()
        return values

    def settle(self) -> None:
        while self._later:
            self._later.popleft()()

    def complete(self, number: int) -> Any:
        """What pickle asks for, which may look into it."""
        value = self._value(number)
        self.settle()
        return value

    _here = -1

    def _value(self, number: int) -> Any:
        if number in self._values:
            return self._values[number]
        if number in self._building:
            raise Unreadable("a value that can't be changed holds itself")
        node = self._node(number)
        read = lanes.READERS.get(node[0])
        if read is None:
            raise Unreadable(f"there is no kind {node[0]!r} of values here: is the other side newer?")
        self._building.add(number)
        outer, self._here = self._here, number
        value = self._values[number] = read(self, node)
        self._here = outer
        self._building.discard(number)
        return value

    def _node(self, number: Any) -> list[Any]:
        node = self._nodes[number] if isinstance(number, int) and 0 <= number < len(self._nodes) else None
        if not isinstance(node, list) or not node:
            raise Unreadable(f"there is no value {number}")
        return node
