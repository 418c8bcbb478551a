"""One session's WebSocket: cells go out, their messages come back to them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tornado.websocket import WebSocketClientConnection, WebSocketClosedError

from ..api import Session
from ..errors import BadFrame, FarcellError
from ..wire.messages import KernelMessage, decode, header_of, pack, unpack
from .cell import Began, CellRun, Ended, InputRequest, Output, read_output
from .endings import kernel_died
from .gateway_client import GatewayClient

_log = logging.getLogger(__name__)

SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"

Stray = Callable[[str, Output, dict[str, Any]], None]
"""Gets what comes under no running cell: message type, message, parent header; a thread that prints after its cell."""


@dataclass(slots=True)
class _Waiting:
    """A cell that was sent: its end is its reply *and* the kernel's idle, which come over different sockets."""

    run: CellRun
    anew: str | None
    began_at: float | None = None
    reply: dict[str, Any] | None = None
    idle: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Channels:
    """An open WebSocket to a session's kernel; it is of no use any more once `closed` is set."""

    def __init__(self, session: Session, connection: WebSocketClientConnection, stray: Stray) -> None:
        self.session = session
        self.closed = asyncio.Event()
        self.lost_detail = ""
        self._connection = connection
        self._stray = stray
        self._cells: dict[str, _Waiting] = {}

    @classmethod
    async def open(cls, gateway: GatewayClient, session: Session, stray: Stray) -> Channels:
        """The session may still wait for its container; what is sent then waits at the gateway."""
        connection = await gateway.websocket(f"/api/kernels/{session.id}/channels", SUBPROTOCOL)
        return cls(session, connection, stray)

    def send(self, message: KernelMessage) -> None:
        """Raises `WebSocketClosedError` when the connection is gone."""
        written = self._connection.write_message(pack(message), binary=True)
        written.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def run(self, cell: CellRun, anew: str | None) -> bool:
        """Sends a cell and returns when its `Ended` is out; False when the connection was lost before that."""
        waiting = self._cells[cell.source.execute_id] = _Waiting(cell, anew)
        try:
            self.send(cell.source.request())
            closed = asyncio.ensure_future(self.closed.wait())
            over = asyncio.ensure_future(waiting.over.wait())
            try:
                await asyncio.wait((closed, over), return_when=asyncio.FIRST_COMPLETED)
            finally:
                closed.cancel()
                over.cancel()
            return waiting.over.is_set()
        except WebSocketClosedError:
            return False
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
        if waiting.idle and waiting.reply is not None:
            waiting.run.put(self._ended(waiting, waiting.reply, None))
            waiting.over.set()

    def _lifecycle(self, content: dict[str, Any]) -> None:
        """``restarting`` and ``dead`` come from the gateway or the agent, with the reason: no reply will come."""
        if content.get("execution_state") not in ("restarting", "dead"):
            return
        self.lost_detail = str((content.get("farcell") or {}).get("detail", ""))
        if content["execution_state"] == "restarting":
            for waiting in list(self._cells.values()):
                waiting.run.put(self._ended(waiting, None, kernel_died(self.session, self.lost_detail)))
                waiting.over.set()

    def _ended(self, waiting: _Waiting, reply: dict[str, Any] | None, error: FarcellError | None) -> Ended:
        duration_s = 0.0 if waiting.began_at is None else time.monotonic() - waiting.began_at
        return Ended(reply, error, self.session, duration_s)
