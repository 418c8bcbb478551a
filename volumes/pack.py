r"""Packs: many blobs in one object, with their index at its end. Pure.

::

    "FARCPK1\n"  bodies  entries, ascending by id  number of entries (4)  keyed hash of them (32)  "FARCIX1\n"

An entry has 46 bytes, little-endian: id (32), kind (1), codec (1), offset (4), stored size (4), size (4). A blob is
read by its range; the index by the range at the end.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from .compression import Codec
from .errors import Damaged, UnknownFormat
from .ids import BlobId, Kind, OwnerKeys

TARGET_BYTES: Final = 32 << 20
"""A pack that has reached it is full: at most three of them are in memory, and one request sends one."""
HEAD: Final = b"FARCPK1\n"
_TAIL_MAGIC: Final = b"FARCIX1\n"
_TAIL: Final = struct.Struct("<I32s8s")
TAIL_BYTES: Final = _TAIL.size
_ENTRY: Final = struct.Struct("<32sBBIII")
ENTRY_BYTES: Final = _ENTRY.size


class PackEntry(NamedTuple):
    """Where one blob lies in its pack."""

    id: BlobId
    kind: int
    codec: int
    offset: int
    stored_bytes: int
    size_bytes: int

    @property
    def end(self) -> int:
        return self.offset + self.stored_bytes


class PackBuilder:
    """Collects blobs until they are `finish`ed as one object."""

    def __init__(self) -> None:
        self.size_bytes = len(HEAD)
        self._bodies: list[bytes] = [HEAD]
        self._entries: dict[BlobId, PackEntry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, blob: BlobId) -> bool:
        return blob in self._entries

    def add(self, blob: BlobId, kind: Kind, codec: Codec, body: bytes, size_bytes: int) -> None:
        """A blob that the pack has is not added again."""
        if blob not in self._entries:
            self._entries[blob] = PackEntry(blob, kind, codec, self.size_bytes, len(body), size_bytes)
            self._bodies.append(body)
            self.size_bytes += len(body)

    def finish(self, keys: OwnerKeys) -> tuple[list[bytes], list[PackEntry]]:
        """The object in parts, and its entries, ascending."""
        entries = sorted(self._entries.values())
        index = b"".join(_ENTRY.pack(*entry) for entry in entries)
        tail = _TAIL.pack(len(entries), keys.id_of(Kind.PACK_INDEX, index), _TAIL_MAGIC)
        return [*self._bodies, index, tail], entries


def new_pack_name() -> str:
    """Random: no pack is ever written in another's place."""
    return secrets.token_hex(16)


def pack_key(name: str) -> str:
    """Its object's key; 256 folders, since some file systems are slow with long ones."""
    return f"packs/{name[:2]}/{name}"


def pack_name(key: str) -> str:
    return key.rpartition("/")[2]


def index_bytes(tail: bytes) -> int:
    """How long entries and tail are together, by the last `TAIL_BYTES` of a pack."""
    count, _, magic = _TAIL.unpack(tail)
    if magic != _TAIL_MAGIC:
        raise (UnknownFormat if magic[:6] == _TAIL_MAGIC[:6] else Damaged)("a pack has no index at its end")
    return int(count) * ENTRY_BYTES + TAIL_BYTES


def parse_index(end: bytes, pack_bytes: int, keys: OwnerKeys) -> list[PackEntry]:
    """The entries, from exactly the bytes that `index_bytes` counts; raises `Damaged`."""
    index, tail = end[:-TAIL_BYTES], end[-TAIL_BYTES:]
    if keys.id_of(Kind.PACK_INDEX, index) != _TAIL.unpack(tail)[1]:
        raise Damaged("a pack's index is not what was written")
    entries = list(_entries(index))
    if any(entry.end > pack_bytes - len(end) for entry in entries):
        raise Damaged("a pack is shorter than its index says")
    return entries


def _entries(index: bytes) -> Iterator[PackEntry]:
    for found in _ENTRY.iter_unpack(index):
        yield PackEntry(*found)


def live_bytes(entries: Sequence[PackEntry]) -> int:
    return sum(entry.stored_bytes for entry in entries)
