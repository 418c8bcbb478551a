"""The format of a journal's segments; pure.

::

    segment   = "FCJ" version(u8) then records
    record    = length(u32)  crc(u32)  position(u64)  kind(u8)  body
                length: of all that follows the crc; crc: CRC-32 of the same

All integers are little-endian. Positions count from 1 over all segments of a lease and only ascend; compaction leaves
gaps. A segment's file is named by its first position, ``0000000000000001.fcj``. A record that a killed writer left torn
fails its length or crc: it and what follows in its segment do not count.

Kinds: a kernel message in the v1 WebSocket layout; an execute request that was accepted (its ``msg_id``, UTF-8); a note of
what compaction left out (JSON).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple
from zlib import crc32

MAGIC: Final = b"FCJ\x01"
_HEAD = struct.Struct("<II")
_META = struct.Struct("<QB")
MAX_RECORD_BYTES: Final = 1 << 30
"""A length beyond it is no length: what is there is torn."""


class Kind(IntEnum):
    """What a record's body is."""

    MESSAGE = 1
    ACCEPTED = 2
    LEFT_OUT = 3


class Record(NamedTuple):
    """One entry. Bodies that `scan` gives are views of what it was given."""

    position: int
    kind: Kind
    body: bytes | memoryview


def pack(record: Record) -> bytes:
    meta = _META.pack(record.position, record.kind)
    crc = crc32(record.body, crc32(meta))
    return b"".join((_HEAD.pack(_META.size + len(record.body), crc), meta, record.body))


def packed_size(record: Record) -> int:
    return _HEAD.size + _META.size + len(record.body)


def scan(segment: bytes | memoryview) -> Iterator[tuple[Record, int]]:
    """The whole records of a segment, each with the offset of what follows it; stops at the first torn one."""
    view = memoryview(segment)
    offset = len(MAGIC)
    if bytes(view[:offset]) != MAGIC:
        return
    while (found := _record_at(view, offset)) is not None:
        yield found
        offset = found[1]


def scan_from(segment: bytes | memoryview, offset: int) -> Iterator[tuple[Record, int]]:
    """As `scan`, from a record's offset that an earlier scan gave."""
    view = memoryview(segment)
    while (found := _record_at(view, offset)) is not None:
        yield found
        offset = found[1]


def _record_at(view: memoryview, offset: int) -> tuple[Record, int] | None:
    start = offset + _HEAD.size
    if start + _META.size > len(view):
        return None
    length, crc = _HEAD.unpack_from(view, offset)
    end = start + length
    if not _META.size <= length <= MAX_RECORD_BYTES or end > len(view) or crc32(view[start:end]) != crc:
        return None
    position, kind = _META.unpack_from(view, start)
    if kind not in _KINDS:
        return None
    return Record(position, _KINDS[kind], view[start + _META.size : end]), end


_KINDS = {int(kind): kind for kind in Kind}


def segment_name(first_position: int) -> str:
    return f"{first_position:016d}.fcj"
