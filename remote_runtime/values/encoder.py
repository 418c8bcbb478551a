"""Values as a table of nodes and a list of buffers: the lane without pickle.

A node is a list, ``[kind, …]``; an item in it is a JSON scalar or ``[n]``, the n-th node: so whatever is shared stays
shared, and cycles are no matter. What is no plain value, and each container from which such a thing can be reached, is
left to `pickling`; plain values in it are nodes all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import lanes
from .kinds import SIMPLE
from .memory import Segment, Stretch, segments

Node = list[Any]
_LARGEST_INT = 1 << 63
_INLINE = frozenset({float, bool, type(None)})
_NOBODY = -1
_IN_NO_MEMORY = SIMPLE | {bytes, tuple, list, dict, set, type}


class TooMany(Exception):
    """There are more nodes than pickle would be slower with."""


class Encoder:
    """For one call.

    `by_name`: dataclasses of the notebook go by their names, as the other side has these. `nests`: whether containers
    of containers are nodes. `most_nodes`: beyond, `TooMany` is raised.
    """

    def __init__(self, *, by_name: bool, nests: bool = True, most_nodes: int | None = None) -> None:
        self.by_name = by_name
        self.nests = nests
        self._most_nodes = most_nodes
        self.nodes: list[Node | None] = []
        self.buffers: list[memoryview] = []
        self.made: dict[Any, Any] = {}
        """What lanes made for sending, under keys of their own."""
        self._buffers_of: list[int] = []
        self._stretches: dict[int, list[Stretch]] = {}
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []
        self._private: set[int] = set()
        self._uses: list[tuple[int, int]] = []
        self._waiting: list[tuple[int, Any]] = []
        self._here = _NOBODY
        self._used: set[int] = set()

    # for the lanes

    def item(self, value: Any) -> Any:
        """How a value stands in the node that is written now."""
        kind = type(value)
        if kind in SIMPLE and _can_be_written(kind, value):
            return value
        number = self._number(value)
        self._uses.append((self._here, number))
        return [number]

    def items(self, values: Sequence[Any]) -> list[Any]:
        if _INLINE.issuperset(map(type, values)):
            return list(values)
        return [self.item(value) for value in values]

    def buffer(self, data: Any) -> int:
        """The number of a new buffer; nothing is copied."""
        view = memoryview(data)
        self.buffers.append(view.cast("B") if view.nbytes else memoryview(b""))
        self._buffers_of.append(self._here)
        return len(self.buffers) - 1

    def lies(self, stretch: Stretch, value: Any) -> None:
        """The value of the node that is written now lies in memory."""
        stretch.private = id(value) in self._private
        self._stretches.setdefault(self._here, []).append(stretch)

    def keep(self, value: Any) -> Any:
        """Keeps what was made for sending until that is done: ids and addresses stay its own."""
        self._kept.append(value)
        return value

    def private(self, value: Any) -> Any:
        """Its memory is sent by itself, whoever else lies there."""
        self._private.add(id(value))
        return self.keep(value)

    # for who encodes

    def add(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The names with their items; those that are not plain are missing."""
        items = {name: self.item(value) for name, value in variables.items()}
        self._write_nodes()
        plain = {
            name: item for name, item in items.items() if not isinstance(item, list) or self._has(item[0])
        }
        self._used.update(item[0] for item in plain.values() if isinstance(item, list))
        return plain

    def node_of(self, value: Any) -> int | None:
        """The node of something that pickle comes across: a plain value that is there already, or an array."""
        number = self._numbers.get(id(value))
        if number is None and type(value) not in _IN_NO_MEMORY and lanes.lies_in_memory(value):
            number = self._number(value)
            self._write_nodes()
        if number is None or not self._has(number):
            return None
        self._used.add(number)
        return number

    def finish(self) -> list[Segment]:
        """Forgets what nobody refers to, and gathers the memory; at the end."""
        if None not in self.nodes:
            return segments(one for number in sorted(self._stretches) for one in self._stretches[number])
        used = self._reachable(self._used)
        for number in range(len(self.nodes)):
            if number not in used:
                self.nodes[number] = None
        for index, number in enumerate(self._buffers_of):
            if number not in used and number != _NOBODY:
                self.buffers[index] = memoryview(b"")
        return segments(one for number in sorted(used) for one in self._stretches.get(number, ()))

    def _number(self, value: Any) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self.nodes)
            self.nodes.append(None)
            self._kept.append(value)
            self._waiting.append((number, value))
        return number

    def _has(self, number: int) -> bool:
        return self.nodes[number] is not None

    def _write_nodes(self) -> None:
        unplain = []
        while self._waiting:
            self._here, value = self._waiting.pop()
            write = lanes.writer(value)
            node = self.nodes[self._here] = write(self, value) if write is not None else None
            if node is None:
                unplain.append(self._here)
            if self._most_nodes is not None and len(self.nodes) > self._most_nodes:
                raise TooMany
        self._here = _NOBODY
        self._drop(unplain)

    def _drop(self, waiting: list[int]) -> None:
        """And whatever holds it: a pickled object may need a container whole while it is made."""
        parents = _followed((child, parent) for parent, child in self._uses) if waiting else {}
        while waiting:
            number = waiting.pop()
            self.nodes[number] = None
            waiting.extend(one for one in parents.get(number, ()) if one != _NOBODY and self._has(one))

    def _reachable(self, roots: set[int]) -> set[int]:
        children = _followed(self._uses)
        found = set(roots)
        waiting = list(roots)
        while waiting:
            for child in children.get(waiting.pop(), ()):
                if child not in found:
                    found.add(child)
                    waiting.append(child)
        return found


def _followed(edges: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for start, end in edges:
        found.setdefault(start, []).append(end)
    return found


def _can_be_written(kind: type, value: Any) -> bool:
    """In JSON lone surrogates become something else, and readers have a limit for the length of numbers."""
    if kind is int:
        return bool(-_LARGEST_INT <= value < _LARGEST_INT)
    if kind is not str or value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
