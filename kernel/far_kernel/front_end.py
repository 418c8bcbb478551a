"""The front end's sockets as far messages see them: they pass as they came, only signed anew."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from farcell.remote_runtime.client.output import Output
from farcell.remote_runtime.wire import messages
from farcell.remote_runtime.wire.messages import KernelMessage

from .messages import Request, Sign, write

Send = Callable[[list[bytes]], None]


class Ways(Protocol):
    """How the local kernel sends on each of its sockets, from the loop that reads its shell."""

    def send(self, channel: str, parts: list[bytes]) -> None: ...


class FrontEnd:
    """`topic` makes an IOPub topic of a message type; `session_id` is in the headers of what the kernel says itself."""

    def __init__(self, ways: Ways, sign: Sign, topic: Callable[[str], bytes], session_id: str) -> None:
        self._ways = ways
        self._sign = sign
        self._topic = topic
        self._session_id = session_id

    def publish(self, message: KernelMessage, msg_type: str) -> None:
        self._ways.send("iopub", write([self._topic(msg_type)], message, self._sign))

    def reply(self, idents: Sequence[bytes], message: KernelMessage) -> None:
        """On the message's own channel: an answer, or a question of a cell's."""
        self._ways.send(message.channel, write(idents, message, self._sign))

    # --- what this kernel says itself, below a request ---

    def say(
        self,
        request: Request,
        msg_type: str,
        content: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        buffers: Sequence[bytes] = (),
    ) -> None:
        message = self._own("iopub", request, msg_type, content, metadata, buffers)
        self.publish(message, msg_type)

    def status(self, request: Request, state: str) -> None:
        self.say(request, "status", {"execution_state": state})

    def answer(
        self, request: Request, content: Mapping[str, Any], metadata: Mapping[str, Any] | None = None
    ) -> None:
        msg_type = request.msg_type.removesuffix("_request") + "_reply"
        self.reply(
            request.idents, self._own(request.message.channel, request, msg_type, content, metadata, ())
        )

    def show(self, request: Request, output: Output) -> None:
        self.say(request, output.msg_type, output.content, output.metadata, output.buffers)

    def _own(
        self,
        channel: str,
        request: Request,
        msg_type: str,
        content: Mapping[str, Any],
        metadata: Mapping[str, Any] | None,
        buffers: Sequence[bytes],
    ) -> KernelMessage:
        header = messages.new_header(msg_type, self._session_id)
        own = messages.encode(channel, header, None, metadata, content, buffers)
        return KernelMessage(
            channel, own.header, request.message.header, own.metadata, own.content, own.buffers
        )


class Note:
    """A line of this kernel's own under a cell; it must be the cell's only output so far to be removed."""

    def __init__(self, front_end: FrontEnd, request: Request) -> None:
        self._front_end = front_end
        self._request = request
        self._display_id = f"farcell-{secrets.token_hex(8)}"
        self.shown = False

    def write(self, text: str) -> None:
        content = {
            "data": {"text/plain": text},
            "metadata": {},
            "transient": {"display_id": self._display_id},
        }
        kind = "update_display_data" if self.shown else "display_data"
        self._front_end.say(self._request, kind, content)
        self.shown = True

    def remove(self) -> None:
        if self.shown:
            self._front_end.say(self._request, "clear_output", {"wait": False})
            self.shown = False
