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


def as_another_cells(output: Output) -> Output:
    """What one cell put out, to be shown under another: its result and its error are none of that one's."""
    content = output.content
    match output.msg_type:
        case "error":
            text = "\n".join(map(str, content.get("traceback", []))) + "\n"
            return Output("stream", {"name": "stderr", "text": text})
        case "execute_result":
            shown = {"data": content.get("data", {}), "metadata": content.get("metadata", {})}
            return Output("display_data", shown, output.metadata, output.buffers)
        case _:
            return output
