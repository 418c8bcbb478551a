"""The session behind a Farcell kernel: its cells in order, everything else that a front end asks, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import PurePath
from typing import Any

from farcell.remote_runtime import config
from farcell.remote_runtime.api import Session, SessionKey, SessionSpec
from farcell.remote_runtime.client.core import Core
from farcell.remote_runtime.errors import FarcellError
from farcell.remote_runtime.wire.messages import KernelMessage, decode

from .far_cell import FarCell
from .front_end import FrontEnd
from .messages import Request
from .routing import COMM_TYPES

_log = logging.getLogger(__name__)

GOODBYE_S = 3.0
"""How long the far side is waited for when this kernel ends."""


class FarSide:
    """Everything on the loop that it was made on. `spec` is the session to ask for, known when the first cell runs."""

    def __init__(
        self,
        front_end: FrontEnd,
        spec: Callable[[Core], Awaitable[SessionSpec]],
        was_restarted: Callable[[], bool],
        cell_ended: Callable[[FarCell], None],
    ) -> None:
        name = PurePath(config.notebook_path() or "a notebook").name
        self.core = Core(self._stray, self._changed, stays=True, name=name)
        self.spec: SessionSpec | None = None
        self._front_end = front_end
        self._find_spec = spec
        self._was_restarted = was_restarted
        self._cell_ended = cell_ended
        self._cells: dict[str, FarCell] = {}
        self._asked: dict[str, Request] = {}
        self._subshells: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._began = False

    @property
    def attached(self) -> bool:
        """Whether a far kernel can be asked now."""
        return self.spec is not None and self.core.attached(self.spec.key) is not None

    # --- requests ---

    def run(self, request: Request) -> None:
        """A cell: it starts the session where there is none."""
        task = asyncio.create_task(self._run(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, request: Request) -> None:
        cell = FarCell(request, self._front_end, self._ended)
        self._cells[request.msg_id] = cell
        try:
            spec = await self._ready_spec(cell)
        except FarcellError as error:
            cell.fail(error)
        else:
            await self.core.run_cell(cell, spec)

    async def find_spec(self) -> SessionSpec:
        """The session to ask for; asks for nothing yet. Raises `FarcellError` where the request can't be read."""
        if self.spec is None:
            self.spec = await self._find_spec(self.core)
        return self.spec

    async def _ready_spec(self, cell: FarCell) -> SessionSpec:
        """The first time, its kernel is replaced where the start of this one meant that."""
        spec = await self.find_spec()
        if not self._began:
            self._began = True
            if self._was_restarted() and (session := await self._running(spec)) is not None:
                await self.core.gateway.restart(session.id)
                cell.preface = f"session {session.name} was restarted: variables are gone, files are there"
        return spec

    async def _running(self, spec: SessionSpec) -> Session | None:
        for session in await self.core.gateway.sessions():
            if session.key == spec.key and not session.state.is_over:
                return session
        return None

    def _ended(self, cell: FarCell) -> None:
        self._cells.pop(cell.request.msg_id, None)
        self._cell_ended(cell)

    def ask(self, request: Request) -> None:
        """Anything that is no cell: it starts nothing; without a far kernel it is answered as aborted."""
        if not self.attached:
            self._abort(request)
            return
        assert self.spec is not None
        if request.msg_type.endswith("_request"):
            self._asked[request.msg_id] = request
        if request.msg_type in COMM_TYPES and self._is_gone(request.subshell_id):
            self._spawn(self.core.shells.send(self.spec.key, request.message, request.subshell_id))
        else:
            self.core.ask(self.spec.key, request.message)

    def _is_gone(self, subshell_id: str | None) -> bool:
        """Whether it went with a kernel that was replaced; JupyterLab goes on with it, also for new widgets."""
        return subshell_id is not None and subshell_id not in self._subshells

    def answer(self, message: KernelMessage) -> bool:
        """A user's answer to a question; False where no far cell has asked one."""
        asked = next((cell for cell in self._cells.values() if cell.asks), None)
        if asked is None:
            return False
        asked.asks = False
        self.core.answer(asked, message)
        return True

    def interrupt(self) -> bool:
        """Interrupts what runs far; False where nothing does."""
        running = [cell for cell in self._cells.values() if not cell.over]
        if running:
            running[0].interrupted()
            self._spawn(self.core.interrupt_cell(running[0]))
        elif self._asked and self.spec is not None and (session := self.core.attached(self.spec.key)):
            self._spawn(self.core.gateway.interrupt(session.id))
        return bool(running or self._asked)

    # --- what comes under no cell ---

    def _stray(
        self, _key: SessionKey, message: KernelMessage, header: dict[str, Any], parent: dict[str, Any]
    ) -> None:
        msg_type, asked = str(header.get("msg_type")), str(parent.get("msg_id"))
        if message.channel == "iopub" and parent:
            self._front_end.publish(message, msg_type)
        elif msg_type == "status":
            self._abort_all()  # the kernel was replaced
        elif message.channel == "iopub":
            self._front_end.publish(message, msg_type)
        elif (request := self._asked.pop(asked, None)) is not None:
            if request.msg_type == "create_subshell_request":
                self._subshells.add(str(decode(message.content).get("subshell_id")))
            self._front_end.reply(request.idents, message)

    def _changed(self, session: Session) -> None:
        if session.state.is_over and self.spec is not None and session.key == self.spec.key:
            self._abort_all()

    def _abort_all(self) -> None:
        """What was asked is not answered any more, and what was made there is gone."""
        for request in self._asked.values():
            self._abort(request)
        self._asked.clear()
        self._subshells.clear()

    def _abort(self, request: Request) -> None:
        if request.msg_type.endswith("_request"):
            self._front_end.answer(request, {"status": "aborted"})
        self._front_end.status(request, "idle")

    # --- the end of this kernel ---

    async def restart(self) -> None:
        """A fresh kernel in the session's container."""
        session = self.core.attached(self.spec.key) if self.spec is not None else None
        if session is not None:
            await self.core.gateway.restart(session.id)

    async def end(self) -> None:
        """Ends the session's lease, also while it still waits or starts; and what belongs to this kernel alone."""
        if self.spec is not None:
            own = self.spec.key
            await self.core.gateway.stop_all(
                lambda session: session.key == own or (own.ephemeral and session.key.path == own.path)
            )

    async def close(self, *, restarts: bool) -> None:
        """Lets go of the session, which runs on; what belongs to this kernel alone ends, unless that restarts."""
        if not restarts and self.spec is not None and self.spec.key.ephemeral:
            with contextlib.suppress(FarcellError):
                await self.end()
        for task in self._tasks:
            task.cancel()
        await self.core.close()

    def _spawn(self, work: Awaitable[None]) -> None:
        async def logged() -> None:
            try:
                await work
            except FarcellError as error:
                _log.warning("the far kernel could not be reached: %s", error)

        task = asyncio.create_task(logged())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
