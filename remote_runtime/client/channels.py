"""One session's WebSocket: cells go out, their messages come back to them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tornado.websocket import WebSocketClientConnection, WebSocketClosedError

from ..api import Session, SessionSpec
from ..errors import BadFrame
from ..wire.messages import KernelMessage, decode, header_of, pack, unpack
from .cell import Began, CellRun, InputRequest, Output, read_output
from .endings import kernel_died
from .gateway_client import GatewayClient

_log = logging.getLogger(__name__)

SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"

Stray = Callable[[str, Output, dict[str, Any]], None]
"""Gets what comes under no running cell: message type, message, parent header; a thread that prints after its cell."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A cell that has its reply, and all its output before."""

    reply: dict[str, Any]
    duration_s: float


@dataclass(slots=True)
class _Waiting:
    """A cell that was sent: its end is its reply *and* the kernel's idle, which come over different sockets."""

    run: CellRun
    anew: str | None
    end: asyncio.Future[Finished | None]
    began_at: float | None = None
    reply: dict[str, Any] | None = None
    idle: bool = False


class Channels:
    """An open WebSocket to a session's kernel; it is of no use any more once `closed` is set."""

    def __init__(self, session: Session, connection: WebSocketClientConnection, stray: Stray) -> None:
        self.session = session
        self.closed = asyncio.Event()
        self._connection = connection
        self._stray = stray
        self._cells: dict[str, _Waiting] = {}

    @classmethod
    async def open(cls, gateway: GatewayClient, session: Session, stray: Stray) -> Channels:
        """The session may still wait for its container; what is sent then waits at the gateway."""
        connection = await gateway.websocket(f"/api/kernels/{session.id}/channels", SUBPROTOCOL)
        return cls(session, connection, stray)

    def serve(self, spec: SessionSpec) -> bool:
        """Whether a cell that asks for `spec` can go this way."""
        same = self.session.request == spec.request and self.session.settings == spec.settings
        return same and not self.closed.is_set()

    def send(self, message: KernelMessage) -> None:
        """Raises `WebSocketClosedError` when the connection is gone."""
        written = self._connection.write_message(pack(message), binary=True)
        written.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def run(self, cell: CellRun, anew: str | None) -> Finished | None:
        """Sends a cell and waits for its end; None when the connection was lost before that.

        Raises `OutcomeUnknown` when the kernel was replaced meanwhile.
        """
        waiting = _Waiting(cell, anew, asyncio.get_running_loop().create_future())
        self._cells[cell.source.execute_id] = waiting
        try:
            self.send(cell.source.request())
            return await waiting.end
        except WebSocketClosedError:
            return None
        finally:
            del self._cells[cell.source.execute_id]

    async def read(self) -> None:
        """Hands messages on until the connection closes; runs as a task of its own."""
        try:
            while (data := await self._connection.read_message()) is not None:
                if isinstance(data, bytes):
                    self._received(data)
        except (BadFrame, WebSocketClosedError) as error:
            _log.warning("session %s: %s", self.session.id, error)
        finally:
            self.closed.set()
            self._connection.close()
            for waiting in self._cells.values():
                if not waiting.end.done():
                    waiting.end.set_result(None)

    def close(self) -> None:
        self._connection.close()

    def _received(self, data: bytes) -> None:
        message = unpack(data)
        header, parent = header_of(message), decode(message.parent_header)
        waiting = self._cells.get(str(parent.get("msg_id")))
        msg_type = str(header.get("msg_type"))
        if waiting is not None:
            self._of_cell(waiting, msg_type, header, message)
        elif msg_type == "status":
            self._lifecycle(decode(message.content))
        elif message.channel == "iopub" and parent:
            self._stray(msg_type, read_output(message, msg_type), parent)

    def _of_cell(
        self, waiting: _Waiting, msg_type: str, header: dict[str, Any], message: KernelMessage
    ) -> None:
        if message.channel == "iopub":
            if msg_type == "status":
                self._status(waiting, decode(message.content).get("execution_state"))
            elif msg_type != "execute_input":
                waiting.run.put(read_output(message, msg_type))
        elif message.channel == "stdin":
            content = decode(message.content)
            waiting.run.put(
                InputRequest(str(content.get("prompt", "")), bool(content.get("password")), header)
            )
        elif msg_type == "execute_reply":
            waiting.reply = decode(message.content)
            self._end_if_over(waiting)

    def _status(self, waiting: _Waiting, state: object) -> None:
        if state == "busy" and waiting.began_at is None:
            waiting.began_at = time.monotonic()
            waiting.run.put(Began(self.session, waiting.anew))
        elif state == "idle":
            waiting.idle = True
            self._end_if_over(waiting)

    def _end_if_over(self, waiting: _Waiting) -> None:
        if waiting.idle and waiting.reply is not None and not waiting.end.done():
            duration_s = 0.0 if waiting.began_at is None else time.monotonic() - waiting.began_at
            waiting.end.set_result(Finished(waiting.reply, duration_s))

    def _lifecycle(self, content: dict[str, Any]) -> None:
        """``restarting`` comes from the agent, with the reason: no reply will come."""
        if content.get("execution_state") != "restarting":
            return
        detail = str((content.get("farcell") or {}).get("detail", ""))
        for waiting in self._cells.values():
            if not waiting.end.done():
                waiting.end.set_exception(kernel_died(self.session, detail))
