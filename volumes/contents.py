"""A file's bytes as chunks: short lists lie in the file's entry, long ones are trees that end where their chunks say.

A list node is ``1`` (the format), its level, and its items: id (32) and size of a chunk (4) at level 0, id (32) and
size of all below (8) above it. A node ends after an id that begins with a zero byte, or after 4,096 items: a file may
repeat itself.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Final, NamedTuple

from .blobs import Blobs
from .entries import Entry
from .errors import BadRange, UnknownFormat
from .ids import BlobId, Kind
from .nodes import BlobAdder

_FORMAT: Final = 1
_MOST: Final = 4096
_INLINE: Final = 8
"""So many chunks of a file lie in its entry: 2 MiB, with the default chunker."""
_CHUNK: Final = struct.Struct("<32sI")
_LIST: Final = struct.Struct("<32sQ")


class Piece(NamedTuple):
    """A chunk, or a list node with all that is below it."""

    id: BlobId
    size_bytes: int


class ListNode(NamedTuple):
    level: int
    pieces: list[Piece]


class Content(NamedTuple):
    """What an `Entry` says of a file's bytes."""

    size_bytes: int
    chunks: bytes
    list_id: bytes


def write_content(upload: BlobAdder, pieces: Iterable[tuple[BlobId, int]]) -> Content:
    """The list of chunks that are written already, in order; memory grows with the logarithm of their number."""
    pieces = iter(pieces)
    first = [Piece(*piece) for piece in islice(pieces, _INLINE + 1)]
    if len(first) <= _INLINE:
        chunks = b"".join(_CHUNK.pack(*piece) for piece in first)
        return Content(sum(piece.size_bytes for piece in first), chunks, b"")
    levels: list[list[Piece]] = [[]]
    for piece in chain(first, pieces):
        _add(upload, levels, 0, Piece(*piece))
    level = 0
    while level == 0 or level < len(levels) - 1 or len(levels[level]) > 1:
        if levels[level]:
            _close(upload, levels, level)
        level += 1
    (root,) = levels[level]
    return Content(root.size_bytes, b"", root.id)


def read_list(blobs: Blobs, root: BlobId) -> ListNode:
    data = blobs.read(root, Kind.LIST)
    if data[0] != _FORMAT:
        raise UnknownFormat("a file's list of chunks was written by a newer Farcell: update this one")
    layout = _LIST if data[1] else _CHUNK
    return ListNode(data[1], [Piece(*found) for found in layout.iter_unpack(memoryview(data)[2:])])


def chunks_of(blobs: Blobs, entry: Entry, start: int = 0) -> Iterator[tuple[int, Piece]]:
    """A file's chunks with their offsets, from the one that has the byte at `start`."""
    root = entry.list_root()
    if root is None:
        yield from _from(0, (Piece(*found) for found in _CHUNK.iter_unpack(entry.chunks)), start)
    else:
        yield from _below(blobs, root, 0, start)


def read_range(blobs: Blobs, entry: Entry, start: int, size: int) -> Iterator[bytes]:
    """So many bytes of a file, piece by piece; raises `BadRange` where it has not so many."""
    end = start + size
    if start < 0 or size < 0 or end > entry.size_bytes:
        raise BadRange(
            f"bytes {start} to {end} were asked for, of a file of {entry.size_bytes}", size=entry.size_bytes
        )
    if size == 0:
        return
    for offset, piece in chunks_of(blobs, entry, start):
        if offset >= end:
            return
        data = blobs.read(piece.id, Kind.CHUNK)
        first, last = max(0, start - offset), min(len(data), end - offset)
        yield data if (first, last) == (0, len(data)) else data[first:last]


def blobs_of(
    blobs: Blobs, entry: Entry, known: Callable[[BlobId], bool] = lambda _: False
) -> Iterator[tuple[BlobId, Kind]]:
    """All that a file's bytes are made of; a list node that is `known` is told, and not looked into."""
    for found in _CHUNK.iter_unpack(entry.chunks if entry.is_file else b""):
        yield BlobId(found[0]), Kind.CHUNK
    root = entry.list_root()
    waiting = [] if root is None else [root]
    while waiting:
        node = waiting.pop()
        skipped = known(node)
        yield node, Kind.LIST
        if not skipped:
            level, pieces = read_list(blobs, node)
            if level:
                waiting.extend(piece.id for piece in pieces)
            else:
                yield from ((piece.id, Kind.CHUNK) for piece in pieces)


def _from(offset: int, pieces: Iterable[Piece], start: int) -> Iterator[tuple[int, Piece]]:
    for piece in pieces:
        if offset + piece.size_bytes > start:
            yield offset, piece
        offset += piece.size_bytes


def _below(blobs: Blobs, node: BlobId, offset: int, start: int) -> Iterator[tuple[int, Piece]]:
    found = read_list(blobs, node)
    for at, piece in _from(offset, found.pieces, start):
        if found.level:
            yield from _below(blobs, piece.id, at, start)
        else:
            yield at, piece


def _add(upload: BlobAdder, levels: list[list[Piece]], level: int, piece: Piece) -> None:
    if len(levels) <= level:
        levels.append([])
    levels[level].append(piece)
    if piece.id[0] == 0 or len(levels[level]) >= _MOST:
        _close(upload, levels, level)


def _close(upload: BlobAdder, levels: list[list[Piece]], level: int) -> None:
    pieces, levels[level] = levels[level], []
    layout = _LIST if level else _CHUNK
    data = bytes((_FORMAT, level)) + b"".join(layout.pack(*piece) for piece in pieces)
    node = upload.add(Kind.LIST, data)
    _add(upload, levels, level + 1, Piece(node, sum(piece.size_bytes for piece in pieces)))
