"""A stock client on a kernel's channels, with Jupyter Server's own functions for both layouts."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import websocket
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection import base
from stock_servers import StockServer

V1 = "v1.kernel.websocket.jupyter.org"
DEADLINE_S = 90.0
ASKS_EVERY_S = 0.5

Message = dict[str, Any]


@dataclass
class KernelSocket:
    """Speaks v1 or, with `subprotocol` None, the layout without a subprotocol."""

    socket: websocket.WebSocket
    subprotocol: str | None
    session: Session

    def send(
        self,
        msg_type: str,
        content: Message | None = None,
        channel: str = "shell",
        buffers: list[bytes] | None = None,
    ) -> str:
        message = self.session.msg(msg_type, content or {})
        message |= {"channel": channel, "buffers": buffers or []}
        if self.subprotocol is None:
            self._send_legacy(message)
        else:
            parts = [
                self.session.pack(message[name])
                for name in ("header", "parent_header", "metadata", "content")
            ]
            self.socket.send_binary(base.serialize_msg_to_ws_v1([*parts, *message["buffers"]], channel))
        return str(message["header"]["msg_id"])

    def _send_legacy(self, message: Message) -> None:
        if message["buffers"]:
            self.socket.send_binary(base.serialize_binary_message(message))
        else:
            self.socket.send(self.session.pack(message).decode())

    def read(self) -> Message:
        data = self.socket.recv()
        if self.subprotocol is not None:
            return self._from_v1(data)
        if isinstance(data, bytes):
            message: Message = base.deserialize_binary_message(data)
            return message
        return dict(self.session.unpack(data.encode()))

    def _from_v1(self, data: bytes) -> Message:
        channel, parts = base.deserialize_msg_from_ws_v1(data)
        names = ("header", "parent_header", "metadata", "content")
        message: Message = dict(zip(names, map(self.session.unpack, parts[:4]), strict=True))
        return message | {"channel": channel, "buffers": parts[4:]}

    def until(
        self, holds: Callable[[list[Message]], bool], told: list[Message] | None = None
    ) -> list[Message]:
        told = [] if told is None else told
        deadline = time.monotonic() + DEADLINE_S
        while not holds(told):
            assert time.monotonic() < deadline, f"it did not come to pass: {told}"
            told.append(self.read())
        return told

    def answers(self, msg_id: str) -> list[Message]:
        """All that answers a request, up to its reply and its idle status."""
        return of(self.until(lambda told: _is_answered(of(told, msg_id))), msg_id)

    def execute(self, code: str, **changes: Any) -> list[Message]:
        return self.answers(self.send("execute_request", execute_content(code, **changes)))

    def value(self, expression: str) -> str:
        """What a cell prints."""
        return texts(self.execute(f"print({expression})")).strip()

    def wait_for_kernel(self) -> None:
        """As front ends do it: what a kernel says before a server listens to it is lost, so it is asked again."""
        asked: list[str] = []
        told: list[Message] = []
        deadline = time.monotonic() + DEADLINE_S
        while not any(_is_answered(of(told, one)) for one in asked):
            assert time.monotonic() < deadline, f"the kernel does not answer: {told}"
            asked.append(self.send("kernel_info_request"))
            told += self._read_for(ASKS_EVERY_S)

    def _read_for(self, seconds: float) -> list[Message]:
        """What comes in that time."""
        told, end = [], time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                self.socket.settimeout(left)
                told.append(self.read())
        except websocket.WebSocketTimeoutException:
            pass
        finally:
            self.socket.settimeout(DEADLINE_S)
        return told


@contextmanager
def kernel_socket(
    server: StockServer, kernel_id: str, subprotocol: str | None = V1, session_id: str | None = None
) -> Iterator[KernelSocket]:
    session_id = session_id or uuid.uuid4().hex
    socket = websocket.create_connection(
        f"ws{server.url.removeprefix('http')}/api/kernels/{kernel_id}/channels?session_id={session_id}",
        header=[f"Authorization: token {server.token}"],
        subprotocols=[subprotocol] if subprotocol else None,
        timeout=DEADLINE_S,
    )
    try:
        assert socket.subprotocol == subprotocol
        yield KernelSocket(socket, subprotocol, Session(session=session_id))
    finally:
        socket.close()


def execute_content(code: str, **changes: Any) -> Message:
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
    return {**content, "allow_stdin": False, "stop_on_error": True, **changes}


def of(told: list[Message], msg_id: str) -> list[Message]:
    return [one for one in told if one["parent_header"].get("msg_id") == msg_id]


def kinds(told: list[Message]) -> list[str]:
    return [one["header"]["msg_type"] for one in told]


def contents(told: list[Message], msg_type: str) -> list[Message]:
    return [one["content"] for one in told if one["header"]["msg_type"] == msg_type]


def texts(told: list[Message]) -> str:
    return "".join(content["text"] for content in contents(told, "stream"))


def states(told: list[Message]) -> list[str]:
    return [content["execution_state"] for content in contents(told, "status")]


def _is_answered(answers: list[Message]) -> bool:
    return "idle" in states(answers) and any(kind.endswith("_reply") for kind in kinds(answers))
