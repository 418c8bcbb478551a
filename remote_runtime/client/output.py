"""What a cell shows: one IOPub message, read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..wire.messages import KernelMessage, decode


@dataclass(frozen=True, slots=True)
class Output:
    """An IOPub message of a cell's: stream, display_data, execute_result, error, clear_output, ..."""

    msg_type: str
    content: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)
    buffers: tuple[bytes, ...] = ()


def read_output(message: KernelMessage, msg_type: str) -> Output:
    """Raises `BadFrame` where the message's JSON can't be read."""
    content, metadata = decode(message.content), decode(message.metadata)
    return Output(msg_type, content, metadata, tuple(map(bytes, message.buffers)))
