"""What compaction wants to know of a record; pure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeAlias

import msgspec

from ..errors import BadFrame, BadRequest
from ..wire import messages
from ..wire.messages import KernelMessage
from .format import Bytes, Kind, Record
from .left_out import LeftOut, StreamText, left_out


class Role(Enum):
    """What the policy does with a record."""

    KEPT = auto()
    """Replies, errors, accepted requests, a cell's input, begin and end, and what can't be read."""
    STREAM = auto()
    OUTPUT = auto()
    NOTE = auto()
    SILENT = auto()
    """Shows nothing: busy and idle of requests that are no cells."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, seen by the policy."""

    record: Record
    role: Role = Role.KEPT
    cell: str = ""
    """The ``msg_id`` of the request that it belongs to."""
    key: Hashable = None
    """Of two outputs with one key, the later makes the earlier needless."""
    piece: StreamText | None = None
    note: LeftOut | None = None

    @property
    def position(self) -> int:
        return self.record.position

    def parent(self) -> dict[str, Any]:
        """The cell's header, or what can be read of it."""
        if self.note is not None:
            return self.note.parent
        try:
            return messages.decode(messages.unpack(self.record.body).parent_header)
        except BadFrame:
            return {"msg_id": self.cell}


class _Head(msgspec.Struct):
    msg_id: str = ""
    msg_type: str = ""


class _State(msgspec.Struct):
    execution_state: str = ""


_state_of = msgspec.json.Decoder(_State).decode
_head_of = msgspec.json.Decoder(_Head).decode
_stream_of = msgspec.json.Decoder(StreamText).decode
_UNREADABLE = (BadRequest, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_KEPT_TYPES = frozenset({"error", "execute_input", "clear_output"})
_Seen: TypeAlias = tuple[Role, Hashable, StreamText | None]


def look_at(record: Record) -> Entry:
    """What can't be read is kept as it is."""
    try:
        return _look_at(record)
    except _UNREADABLE:
        return Entry(record)


def reply_to(body: Bytes) -> str | None:
    """The execute request that a message is the reply to; None for every other message."""
    try:
        if messages.check(body) != "shell":
            return None
        message = messages.unpack(body)
        if _head_of(message.header).msg_type != "execute_reply":
            return None
        return _head_of(message.parent_header).msg_id
    except _UNREADABLE:
        return None


def ended_by(body: Bytes) -> str | None:
    """The request whose reply or idle status a message is; None for every other message."""
    try:
        message = messages.unpack(body)
        head, parent = _head_of(message.header), _head_of(message.parent_header)
        idle = head.msg_type == "status" and _state_of(message.content).execution_state == "idle"
    except _UNREADABLE:
        return None
    return parent.msg_id if idle or head.msg_type == "execute_reply" else None


def cell_of(body: Bytes) -> str:
    """The ``msg_id`` of the request that a message belongs to; empty where none can be read."""
    try:
        return _head_of(messages.unpack(body).parent_header).msg_id
    except _UNREADABLE:
        return ""


def _look_at(record: Record) -> Entry:
    if record.kind is Kind.LEFT_OUT:
        note = left_out(record.body)
        return Entry(record, Role.NOTE, str(note.parent.get("msg_id", "")), note=note)
    if record.kind is not Kind.MESSAGE:
        return Entry(record)
    message = messages.unpack(record.body)
    if message.channel != "iopub":
        return Entry(record)
    parent = _head_of(message.parent_header)
    role, key, piece = _look_at_iopub(message, parent)
    return Entry(record, role, parent.msg_id, key, piece)


def _look_at_iopub(message: KernelMessage, parent: _Head) -> _Seen:
    match _head_of(message.header).msg_type:
        case "stream":
            return Role.STREAM, None, _stream_of(message.content)
        case "status":
            return (Role.KEPT if parent.msg_type in {"execute_request", ""} else Role.SILENT), None, None
        case "update_display_data":
            return Role.OUTPUT, _display(messages.decode(message.content)), None
        case "comm_msg":
            return Role.OUTPUT, _widget_state(messages.decode(message.content)), None
        case other:
            return (Role.KEPT if other in _KEPT_TYPES else Role.OUTPUT), None, None


def _display(content: dict[str, Any]) -> Hashable:
    match content:
        case {"transient": {"display_id": str(display_id)}}:
            return ("display", display_id)
    return None


def _widget_state(content: dict[str, Any]) -> Hashable:
    """A widget's state is sent in parts: a later part with the same keys replaces the earlier."""
    match content:
        case {"comm_id": str(comm_id), "data": {"method": "update", "state": dict(state)} as data}:
            return ("widget", comm_id, frozenset(state), str(data.get("buffer_paths")))
    return None
