"""Link frames: the fixed head that precedes every WebSocket message between agent, gateway and client.

::

    offset  0  magic     2 bytes  "FC"
            2  version   u8       1
            3  kind      u8       kernel message, control or acknowledgement
            4  priority  u8       high, normal: the lane that numbers the frame
            5  client    u32      which client of the gateway the body belongs to; 0: the link itself
            9  seq       u64      the frame's number in its lane, from 1
           17  part      u32      which part of its message this is, from 0
           21  parts     u32      how many parts the message has
           25  body

All integers are little-endian. An acknowledgement has no body; its `seq` is the last frame of the lane that
has arrived.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple

from ..errors import BadFrame

VERSION: Final = 1
MAX_PART_BYTES: Final = 256 * 1024
"""The longest body. An urgent frame waits for one part at most, a quarter of a second at 1 MB/s; a head is a
hundredth of a per cent of it; and the usual limits of WebSockets (tornado: 10 MiB) are far away."""

_MAGIC = b"FC"
_HEAD = struct.Struct("<2sBBBIQII")
HEAD_BYTES: Final = _HEAD.size


class Kind(IntEnum):
    """What a body is: a kernel message in the v1 layout, a control message in JSON, nothing."""

    KERNEL = 1
    CONTROL = 2
    ACK = 3


class Priority(IntEnum):
    """The lanes, the more urgent first."""

    HIGH = 0
    NORMAL = 1


class Frame(NamedTuple):
    """One frame; `unpack` gives a view into what it was given as the body."""

    kind: Kind
    priority: Priority = Priority.NORMAL
    client: int = 0
    seq: int = 1
    part: int = 0
    parts: int = 1
    body: bytes | memoryview = b""


def pack(frame: Frame) -> bytes:
    kind, priority, client, seq, part, parts, body = frame
    return b"".join((_HEAD.pack(_MAGIC, VERSION, kind, priority, client, seq, part, parts), body))


def unpack(data: bytes | memoryview) -> Frame:
    """The frame in `data`; raises `BadFrame` for bytes that do not follow the layout."""
    if not HEAD_BYTES <= len(data) <= HEAD_BYTES + MAX_PART_BYTES:
        raise BadFrame(f"a frame has {HEAD_BYTES} to {HEAD_BYTES + MAX_PART_BYTES} bytes, not {len(data)}")
    magic, version, kind, priority, client, seq, part, parts = _HEAD.unpack_from(data)
    if magic != _MAGIC or version != VERSION:
        raise BadFrame(f"not a link frame of version {VERSION}: it starts with {bytes(data[:3])!r}")
    if kind not in _KINDS or priority not in _PRIORITIES:
        raise BadFrame(f"a frame has the unknown kind {kind} or priority {priority}")
    if part >= parts:
        raise BadFrame(f"a frame says that it is part {part} of {parts}")
    if seq == 0 or (kind == Kind.ACK and len(data) > HEAD_BYTES):
        raise BadFrame("a frame has no number, or is an acknowledgement with a body")
    body = memoryview(data)[HEAD_BYTES:]
    return Frame(_KINDS[kind], _PRIORITIES[priority], client, seq, part, parts, body)


_KINDS = {int(kind): kind for kind in Kind}
_PRIORITIES = {int(priority): priority for priority in Priority}
