"""Kernel messages in Jupyter's default WebSocket layout: the one without a subprotocol.

A message without buffers is a text: one JSON object that has the parts and the channel. With buffers it is binary::

    u32 n │ n times u32 offset │ JSON object │ buffer …

The integers are big-endian. The offsets count from the first byte, one for the start of each of the n pieces. The
description is jupyter_server's (``docs/source/developers/websocket-protocols.rst``). The parts keep their bytes in
both directions: no JSON is decoded and encoded again.
"""

from __future__ import annotations

import struct
from itertools import accumulate, pairwise
from typing import Any

import msgspec

from ..errors import BadFrame
from .messages import CHANNELS, MAX_BUFFERS, Bytes, KernelMessage, header_of

_EMPTY = msgspec.Raw(b"{}")


class _Incoming(msgspec.Struct):
    header: msgspec.Raw
    parent_header: msgspec.Raw = _EMPTY
    metadata: msgspec.Raw = _EMPTY
    content: msgspec.Raw = _EMPTY
    channel: str = "shell"


class _Outgoing(msgspec.Struct):
    header: msgspec.Raw
    msg_id: Any
    msg_type: Any
    parent_header: msgspec.Raw
    metadata: msgspec.Raw
    content: msgspec.Raw
    channel: str
    buffers: list[bytes] | msgspec.UnsetType


def pack(message: KernelMessage) -> str | bytes:
    """A text, or bytes for a message with buffers; raises `BadFrame` for a message without a proper header."""
    document = _document(message)
    if message.buffers:
        return _pack_pieces((document, *message.buffers))
    try:
        return document.decode()
    except UnicodeDecodeError as error:
        raise BadFrame(f"a kernel message is no UTF-8: {error}") from error


def unpack(data: str | Bytes) -> KernelMessage:
    """The message in a text or in bytes, the buffers as views; raises `BadFrame`.

    A message that names no channel is for the shell, as jupyter_server has it.
    """
    if isinstance(data, str):
        return _message(data, ())
    document, *buffers = _unpack_pieces(data)
    return _message(document, tuple(buffers))


def _document(message: KernelMessage) -> bytes:
    """With `msg_id` and `msg_type` beside the header, where jupyter_server puts them and older clients look."""
    header = header_of(message)
    document = _Outgoing(
        header=msgspec.Raw(message.header),
        msg_id=header.get("msg_id"),
        msg_type=header.get("msg_type"),
        parent_header=msgspec.Raw(message.parent_header),
        metadata=msgspec.Raw(message.metadata),
        content=msgspec.Raw(message.content),
        channel=message.channel,
        buffers=msgspec.UNSET if message.buffers else [],
    )
    return msgspec.json.encode(document)


def _message(document: str | Bytes, buffers: tuple[Bytes, ...]) -> KernelMessage:
    try:
        message = msgspec.json.decode(document, type=_Incoming)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadFrame(f"not a kernel message in JSON: {error}") from error
    if message.channel not in CHANNELS:
        raise BadFrame(f"a kernel message names the unknown channel {message.channel[:16]!r}")
    parts = (message.header, message.parent_header, message.metadata, message.content)
    header, parent, metadata, content = (b"{}" if bytes(part) == b"null" else bytes(part) for part in parts)
    return KernelMessage(message.channel, header, parent, metadata, content, buffers)


def _pack_pieces(pieces: tuple[Bytes, ...]) -> bytes:
    count = len(pieces)
    offsets = accumulate(map(len, pieces[:-1]), initial=4 * (1 + count))
    return b"".join((struct.pack(f">{1 + count}I", count, *offsets), *pieces))


def _unpack_pieces(data: Bytes) -> list[memoryview]:
    size = len(data)
    count = int.from_bytes(data[:4], "big")
    if size < 4 or not 0 < count <= 1 + MAX_BUFFERS or 4 * (1 + count) > size:
        raise BadFrame(f"a kernel message of {size} bytes can't have {count} pieces")
    offsets = [*struct.unpack_from(f">{count}I", data, 4), size]
    if offsets[0] != 4 * (1 + count) or offsets != sorted(offsets):
        raise BadFrame(f"the offsets of a kernel message do not ascend from its table to its end at {size}")
    return [memoryview(data)[start:end] for start, end in pairwise(offsets)]
