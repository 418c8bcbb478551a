"""The format of a journal's segments; pure.

::

    segment   = header then records
    header    = "FCJ" version(u8)  generation(u32)  covers(u64)
                generation: how often compaction has written it anew; a writer's own are 0
                covers: the last position that compaction took into it, 0 in a writer's own
    record    = length(u32)  crc(u32)  position(u64)  client(u32)  kind(u8)  body
                length: of all that follows the crc; crc: CRC-32 of the same

All integers are little-endian. Positions count from 1 over all segments of a lease and only ascend; compaction leaves
gaps. A segment's file is named by its first position, ``0000000000000001.fcj``, whether or not that is still in it. A
record that a killed writer left torn fails its length or crc: it and what follows in its segment do not count. Where a
segment covers positions of those behind it, these are left from a compaction that was cut short, and do not count
either.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias
from zlib import crc32

from ..errors import BadRequest, IncompatibleVersion

MAGIC: Final = b"FCJ"
VERSION: Final = 1
SUFFIX: Final = ".fcj"
MAX_BODY_BYTES: Final = 1 << 30
"""A length beyond it is no length: what is there is torn."""

Bytes: TypeAlias = bytes | memoryview

_HEADER = struct.Struct("<3sBIQ")
_HEAD = struct.Struct("<IIQIB")
_CHECKED = struct.Struct("<QIB")
_UNCHECKED_BYTES = _HEAD.size - _CHECKED.size
HEADER_BYTES: Final = _HEADER.size
HEAD_BYTES: Final = _HEAD.size


class Kind(IntEnum):
    """What a record's body is."""

    MESSAGE = 1
    """A kernel message in the v1 WebSocket layout."""
    ACCEPTED = 2
    """The ``msg_id``, UTF-8, of an execute request that the agent took."""
    LEFT_OUT = 3
    """JSON: what compaction left out here (`left_out.LeftOut`)."""


class Record(NamedTuple):
    """One entry. The body of a record that was read is a view of the piece of the file that was read with it."""

    position: int
    kind: Kind
    body: Bytes
    client: int = 0
    """Whom a message is for, or who asked; 0: everyone."""


class Header(NamedTuple):
    generation: int = 0
    covers: int = 0


def pack_header(header: Header) -> bytes:
    return _HEADER.pack(MAGIC, VERSION, header.generation, header.covers)


def parse_header(data: Bytes) -> Header | None:
    """None where no whole header is; raises `IncompatibleVersion` for another version's."""
    if len(data) < HEADER_BYTES or bytes(data[:3]) != MAGIC:
        return None
    _, version, generation, covers = _HEADER.unpack_from(data)
    if version != VERSION:
        raise IncompatibleVersion(
            f"this journal has format {version}, and this Farcell reads {VERSION}: use the version that wrote it"
        )
    return Header(generation, covers)


def pack_head(record: Record) -> bytes:
    """What stands before the record's body; raises `BadRequest` for a body that is too long."""
    position, kind, body, client = record
    if len(body) > MAX_BODY_BYTES:
        raise BadRequest(f"a record's body has at most {MAX_BODY_BYTES} bytes, not {len(body)}")
    crc = crc32(body, crc32(_CHECKED.pack(position, client, kind)))
    return _HEAD.pack(_CHECKED.size + len(body), crc, position, client, kind)


def pack(record: Record) -> bytes:
    return pack_head(record) + record.body


def packed_size(record: Record) -> int:
    return HEAD_BYTES + len(record.body)


def size_of_first(data: Bytes) -> int:
    """How long the record that begins `data` is, as far as its head is there to tell; else of the head alone."""
    if len(data) < HEAD_BYTES:
        return HEAD_BYTES
    length: int = _HEAD.unpack_from(data)[0]
    return _UNCHECKED_BYTES + length


def scan(data: Bytes, offset: int = HEADER_BYTES) -> Iterator[tuple[Record, int]]:
    """The whole records from `offset` on, each with the offset of what follows it; stops at the first torn one."""
    view = memoryview(data)
    while (found := _record_at(view, offset)) is not None:
        yield found
        offset = found[1]


def _record_at(view: memoryview, offset: int) -> tuple[Record, int] | None:
    start = offset + HEAD_BYTES
    if start > len(view):
        return None
    length, crc, position, client, kind = _HEAD.unpack_from(view, offset)
    checked = offset + _UNCHECKED_BYTES
    end = checked + length
    if end < start or end > len(view) or kind not in _KINDS or crc32(view[checked:end]) != crc:
        return None
    return Record(position, _KINDS[kind], view[start:end], client), end


_KINDS = {int(kind): kind for kind in Kind}


def segment_name(first_position: int) -> str:
    return f"{first_position:016d}{SUFFIX}"
