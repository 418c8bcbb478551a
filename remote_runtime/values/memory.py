"""Stretches of memory that arrays and tensors lie in, gathered into segments.

What overlaps is sent once, and shared there as here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_GAPS = 2
"""Memory that is larger than its items by more than this is sent without the gaps, where nobody else lies in them."""


@dataclass(slots=True)
class Stretch:
    """From the address `low` to below `high`; `start` is where the first item lies, `size_bytes` what all items need.

    `node` gets the number of its segment at 1, and the place of its first item at 2. `pack` makes a copy without gaps,
    and writes its strides to the node. `keeps` keeps the memory; one that is `private` is sent by itself.
    """

    node: list[Any]
    low: int
    high: int
    start: int
    size_bytes: int
    keeps: Any
    pack: Callable[[], Stretch] | None = None
    private: bool = False
    owns_bytearray: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """`is_bytearray`: one of the variables is the memory itself."""

    view: memoryview
    is_bytearray: bool


def segments(stretches: Iterable[Stretch]) -> list[Segment]:
    """Numbers the segments, in the order in which the stretches were found, and writes the numbers to the nodes."""
    known = list(stretches)
    place = {id(stretch): index for index, stretch in enumerate(known)}
    clusters = sorted(_clusters(known), key=lambda cluster: min(place[id(one)] for one in cluster))
    return [_segment(number, cluster) for number, cluster in enumerate(clusters)]


def _clusters(stretches: list[Stretch]) -> Iterator[list[Stretch]]:
    """Those that overlap, directly or through others."""
    yield from ([stretch] for stretch in stretches if stretch.private)
    cluster: list[Stretch] = []
    high = -1
    for stretch in sorted(
        (one for one in stretches if not one.private), key=lambda one: (one.low, -one.high)
    ):
        if cluster and stretch.low >= high:
            yield cluster
            cluster = []
        cluster.append(stretch)
        high = max(high, stretch.high) if len(cluster) > 1 else stretch.high
    if cluster:
        yield cluster


def _segment(number: int, cluster: list[Stretch]) -> Segment:
    alone = cluster[0] if len(cluster) == 1 else None
    if alone is not None and alone.pack is not None and alone.high - alone.low > _GAPS * alone.size_bytes:
        cluster = [alone.pack()]
    low, high = min(one.low for one in cluster), max(one.high for one in cluster)
    for stretch in cluster:
        stretch.node[1:3] = [number, stretch.start - low]
    view = memoryview(_Memory.at(low, high - low, [one.keeps for one in cluster])).cast("B")
    return Segment(view, any(one.owns_bytearray for one in cluster))


class _Memory:
    """Bytes at an address, kept by their owners for as long as they are looked at."""

    @staticmethod
    def at(address: int, size: int, owners: list[Any]) -> Any:
        kind: Any = type("Bytes", (ctypes.c_char * size,), {"owners": None})
        found = kind.from_address(address)
        found.owners = owners
        return found
