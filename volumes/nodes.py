"""Tree nodes as bytes, and reading them with a small cache.

A node is ``1`` (the format), its level, and a MessagePack array of its items: at level 0 ``[key, value, size]``,
above it ``[last key, id, entries, size]`` for each child; the last two are sums over all that is below.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from .blobs import Blobs
from .errors import UnknownFormat
from .ids import BlobId, Kind

_FORMAT: Final = 1
_CACHED: Final = 512
"""Nodes of about 64 items: some 10 MB."""


class Leaf(NamedTuple):
    """One entry of a tree; `size_bytes` is what is summed."""

    key: bytes
    value: bytes
    size_bytes: int


class Child(NamedTuple):
    """A node as its parent tells it: all keys up to `last`, which it has."""

    last: bytes
    id: BlobId
    entries: int
    size_bytes: int


class Node(NamedTuple):
    level: int
    items: Sequence[Leaf | Child]


_leaves = msgspec.msgpack.Decoder(list[Leaf])
_children = msgspec.msgpack.Decoder(list[Child])
_encoder = msgspec.msgpack.Encoder()


def encode_node(level: int, items: Sequence[Leaf | Child]) -> bytes:
    return bytes((_FORMAT, level)) + _encoder.encode(items)


def decode_node(data: bytes) -> Node:
    if data[0] != _FORMAT:
        raise UnknownFormat("a tree was written by a newer Farcell: update this one")
    level = data[1]
    body = memoryview(data)[2:]
    return Node(level, _children.decode(body) if level else _leaves.decode(body))


class BlobAdder(Protocol):
    """What writing a tree needs of an `Upload`."""

    def add(self, kind: Kind, data: bytes) -> BlobId: ...


class NodeReader:
    """Reads nodes, and keeps the last few hundred."""

    def __init__(self, blobs: Blobs) -> None:
        self.keys = blobs.keys
        self._blobs = blobs
        self._cache: OrderedDict[BlobId, Node] = OrderedDict()

    def read(self, node: BlobId) -> Node:
        found = self._cache.get(node)
        if found is None:
            found = decode_node(self._blobs.read(node, Kind.NODE))
            self.remember(node, found)
        else:
            self._cache.move_to_end(node)
        return found

    def remember(self, node: BlobId, found: Node) -> None:
        """A node that was just written need not be in the store to be read."""
        self._cache[node] = found
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
