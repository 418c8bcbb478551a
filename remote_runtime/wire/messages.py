"""Kernel messages in the layout of the WebSocket subprotocol ``v1.kernel.websocket.jupyter.org``.

::

    u64 n │ n times u64 offset │ channel │ header │ parent_header │ metadata │ content │ buffer …

All integers are little-endian. The offsets count from the message's first byte: one for the start of each
part and one for the end. jupyter_server's ``docs/source/developers/websocket-protocols.rst`` describes it;
what this module adds is that every byte belongs to one part, so that nothing hides between or behind them.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import Any, Final, TypeAlias

import msgspec

from ..errors import BadFrame

SUBPROTOCOL: Final = "v1.kernel.websocket.jupyter.org"
CHANNELS: Final = frozenset({"shell", "control", "iopub", "stdin"})
MAX_BUFFERS: Final = 65_536
"""The most buffers of one message: a bound on the memory that a table of offsets can ask for."""

Bytes: TypeAlias = bytes | memoryview

_NAMED_PARTS = 5  # channel, header, parent_header, metadata, content
_CHANNEL_OF = {channel.encode(): channel for channel in CHANNELS}
_LONGEST_CHANNEL = max(map(len, CHANNELS))
_JSON = msgspec.json.Encoder().encode
_OBJECT = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class KernelMessage:
    """One message of Jupyter's messaging protocol: JSON texts as they came, never decoded and encoded again.

    The buffers are bytes or views of bytes (format ``B``).
    """

    channel: str
    header: bytes
    parent_header: bytes = b"{}"
    metadata: bytes = b"{}"
    content: bytes = b"{}"
    buffers: tuple[Bytes, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Of what can be large in it."""
        return len(self.content) + sum(map(len, self.buffers))


def encode(
    channel: str,
    header: Mapping[str, Any],
    parent_header: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    content: Mapping[str, Any] | None = None,
    buffers: Iterable[Bytes] = (),
) -> KernelMessage:
    """A message from decoded parts; times in them become ISO 8601 texts."""
    head, parent, meta, body = (_JSON(part or {}) for part in (header, parent_header, metadata, content))
    return KernelMessage(channel, head, parent, meta, body, tuple(buffers))


def new_header(msg_type: str, session: str | None = None) -> dict[str, Any]:
    """The header of a message of Farcell's own; without a session, in one of its own."""
    return {
        "msg_id": secrets.token_hex(16),
        "msg_type": msg_type,
        "session": session or secrets.token_hex(8),
        "username": "farcell",
        "date": datetime.now(UTC).isoformat(),
        "version": "5.3",
    }


def header_of(message: KernelMessage) -> dict[str, Any]:
    return decode(message.header)


def decode(part: Bytes) -> dict[str, Any]:
    """A header, metadata or content as a dict, its times as texts; raises `BadFrame` for no JSON object."""
    try:
        return _OBJECT.decode(part)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadFrame(f"a part of a kernel message is no JSON object: {error}") from error


def pack(message: KernelMessage) -> bytes:
    texts = (message.header, message.parent_header, message.metadata, message.content)
    parts = (message.channel.encode(), *texts, *message.buffers)
    count = len(parts) + 1
    offsets = accumulate(map(len, parts), initial=8 * (1 + count))
    return b"".join((struct.pack(f"<{1 + count}Q", count, *offsets), *parts))


def unpack(data: Bytes) -> KernelMessage:
    """The message in `data`, its buffers as views into `data`; the JSON is not looked at.

    Raises `BadFrame` where the bytes do not follow the layout.
    """
    offsets = _offsets(data)
    header, parent, metadata, content = (bytes(data[start:end]) for start, end in pairwise(offsets[1:6]))
    buffers = tuple(memoryview(data)[start:end] for start, end in pairwise(offsets[5:]))
    return KernelMessage(_channel(data, offsets), header, parent, metadata, content, buffers)


def check(data: Bytes) -> str:
    """The channel of a message that follows the layout, else `BadFrame`: all that a relay needs.

    Copies nothing and looks at no JSON.
    """
    return _channel(data, _offsets(data))


def _offsets(data: Bytes) -> tuple[int, ...]:
    """The table, known to ascend from its own end to the end of `data`."""
    size = len(data)
    count = int.from_bytes(data[:8], "little")
    if size < 8 or not _NAMED_PARTS < count <= _NAMED_PARTS + MAX_BUFFERS + 1 or 8 * (1 + count) > size:
        raise BadFrame(f"a kernel message of {size} bytes can't have {count} offsets")
    offsets = struct.unpack_from(f"<{count}Q", data, 8)
    if offsets[0] != 8 * (1 + count) or offsets[-1] != size or list(offsets) != sorted(offsets):
        raise BadFrame(f"the offsets of a kernel message do not ascend from its table to its end at {size}")
    return offsets


def _channel(data: Bytes, offsets: tuple[int, ...]) -> str:
    start, end = offsets[0], min(offsets[1], offsets[0] + _LONGEST_CHANNEL + 1)
    name = bytes(data[start:end])
    if name not in _CHANNEL_OF:
        raise BadFrame(f"a kernel message names the unknown channel {name!r}")
    return _CHANNEL_OF[name]
