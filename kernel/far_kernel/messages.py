"""A front end's messages over ZMQ, read as far as is needed to send them on; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hmac import compare_digest

import msgspec

from farcell.remote_runtime.errors import BadFrame
from farcell.remote_runtime.wire.messages import KernelMessage

DELIMITER = b"<IDS|MSG>"

Sign = Callable[[list[bytes]], bytes]
"""`jupyter_client.session.Session.sign`; gives no bytes where messages are not signed."""


class _Header(msgspec.Struct):
    msg_id: str = ""
    msg_type: str = ""
    subshell_id: str | None = None


_header = msgspec.json.Decoder(_Header)


@dataclass(frozen=True, slots=True)
class Request:
    """What a front end sent, with the way back to it; `raw` is how it came."""

    message: KernelMessage
    idents: tuple[bytes, ...]
    msg_id: str
    msg_type: str
    subshell_id: str | None
    raw: Sequence[object]


def read(channel: str, raw: Sequence[object], parts: Sequence[bytes], sign: Sign) -> Request:
    """Raises `BadFrame` where the parts are no message, or nobody with the kernel's key has signed them."""
    try:
        start = parts.index(DELIMITER)
        signature, header, parent, metadata, content, *buffers = parts[start + 1 :]
        known = _header.decode(header)
    except (ValueError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadFrame(f"no kernel message: {error}") from error
    if not compare_digest(signature, sign([header, parent, metadata, content])):
        raise BadFrame("a message with a wrong signature")
    message = KernelMessage(channel, header, parent, metadata, content, tuple(buffers))
    return Request(message, tuple(parts[:start]), known.msg_id, known.msg_type, known.subshell_id, raw)


def write(idents: Sequence[bytes], message: KernelMessage, sign: Sign) -> list[bytes]:
    """The parts of a message on its way to a front end: only signed anew."""
    body = [message.header, message.parent_header, message.metadata, message.content]
    return [*idents, DELIMITER, sign(body), *body, *map(bytes, message.buffers)]


def on_main_shell(message: KernelMessage) -> KernelMessage:
    """The same for a kernel without the subshell that it names."""
    header = msgspec.json.decode(message.header)
    header.pop("subshell_id", None)
    return replace(message, header=msgspec.json.encode(header))
