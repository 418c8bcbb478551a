"""The kernel that a front end talks to: what it asks is answered here, or sent on as it came.

All that is far is done on the loop of the thread that reads the shell channel: messages take no turn through the main
thread, which runs what is to run here.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from ipykernel.ipkernel import IPythonKernel
from zmq import Frame
from zmq.eventloop.zmqstream import ZMQStream

from farcell.remote_runtime.errors import BadFrame, FarcellError
from farcell.remote_runtime.wire.messages import decode

from . import routing
from .messages import Request, on_main_shell, read, write
from .options import SessionOptions
from .order import Cell, CellOrder
from .questions import LocalAnswers
from .routing import Place

if TYPE_CHECKING:
    from ..notebook import Notebook
    from .far_cell import FarCell
    from .far_side import FarSide

T = TypeVar("T")

PARENT_EVERY_S = 0.5
RUN_A_CELL_FIRST = (
    "run a cell first: the debugger works where the cells run, and no far kernel is attached yet"
)


class FarcellKernel(SessionOptions, IPythonKernel):
    """Starts like any IPython kernel, free of charge; its first cell asks for the session."""

    # what IPKernelApp always gives, and traitlets' types leave open
    parent: Any
    shell: Any
    session: Any
    shell_stream: Any
    control_stream: Any

    def start(self) -> None:
        self._order = CellOrder(self._start_cell, self._abort_cell, lambda: self._attached)
        self._far: FarSide | None = None
        self._answers = LocalAnswers()
        self.shell.input_transformers_cleanup.insert(0, routing.without_local)
        self._on_loop(self._open_stdin)
        super().start()
        signal.signal(signal.SIGINT, self._interrupted_by_signal)
        signal.signal(signal.SIGTERM, self._terminated)
        self._on_loop(self._follow_parent)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """Of the thread that reads the shell channel."""
        loop: asyncio.AbstractEventLoop = self.shell_channel_thread.io_loop.asyncio_loop
        return loop

    def _on_loop(self, work: Any, *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(work, *arguments)

    def _far_away(self, work: Awaitable[T]) -> Future[T]:
        """Does something on the loop, from another thread."""

        async def done() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(done(), self._loop)

    # --- the far side ---

    @property
    def _attached(self) -> bool:
        return self._far is not None and self._far.attached

    @property
    def far(self) -> FarSide:
        """Made by the first cell: until then this is as light as any kernel. To be asked on the loop."""
        if self._far is None:
            from .far_side import FarSide
            from .front_end import FrontEnd
            from .session_spec import session_spec

            self._far = FarSide(
                FrontEnd(self, self.session.sign, self._topic, self.session.session),
                lambda core: session_spec(core, self.notebook, self.asked),
                self._was_restarted,
                self._far_cell_ended,
            )
        return self._far

    def _far_cell_ended(self, cell: FarCell) -> None:
        """The numbers of cells that run here go on from those of the far ones."""
        if isinstance(cell.number, int):
            self.shell.execution_count = max(self.shell.execution_count, cell.number + 1)
        self._order.ended(cell.request.msg_id, failed=cell.failed)

    @cached_property
    def notebook(self) -> Notebook:
        from ..notebook import Notebook

        return Notebook(self.shell)

    def _was_restarted(self) -> bool:
        from . import restart_note

        path = self.notebook.path()
        return path is not None and restart_note.take(path)

    def send(self, channel: str, parts: list[bytes]) -> None:
        """To the front end, from the loop."""
        match channel:
            case "iopub":
                self.iopub_thread.send_multipart(parts)
            case "shell":
                self.shell_stream.send_multipart(parts)
            case "control":
                self.control_thread.io_loop.add_callback(self.control_stream.send_multipart, parts)
            case "stdin":
                self._stdin_stream.send_multipart(parts)

    # --- the shell channel ---

    async def shell_channel_thread_main(self, msg: list[Any]) -> None:
        request = self._read("shell", msg)
        if request is None:
            await super().shell_channel_thread_main(msg)
        elif not self._route(request):
            await super().shell_channel_thread_main(self._raw(request))

    def _raw(self, request: Request) -> list[Any]:
        """For this kernel, which has no subshells: those that its front ends know are far."""
        if request.subshell_id is None:
            return list(request.raw)
        return [
            Frame(part) for part in write(request.idents, on_main_shell(request.message), self.session.sign)
        ]

    def _read(self, channel: str, msg: list[Any]) -> Request | None:
        """None for what is no message of this kernel's front ends: what becomes of it is ipykernel's business."""
        try:
            return read(channel, msg, [bytes(frame.buffer) for frame in msg], self.session.sign)
        except BadFrame:
            return None

    def _route(self, request: Request) -> bool:
        """Sends on what is for the far kernel, and puts cells into their order; False for what is done here at once."""
        if request.subshell_id is not None and self._attached and not self._is_of_here(request):
            self._send_on(request)
            return True
        if request.msg_type == "execute_request":
            return self._route_execution(request)
        if request.msg_type in routing.FOLLOWS_CELLS and self._attached and not self._is_of_here(request):
            self.far.ask(request)
            return True
        return False

    def _send_on(self, request: Request) -> None:
        """A cell of a subshell has its own place in the order: none."""
        is_cell = request.msg_type == "execute_request" and routing.execution(request.message.content).is_cell
        (self.far.run if is_cell else self.far.ask)(request)

    def _route_execution(self, request: Request) -> bool:
        try:
            execution = routing.execution(request.message.content)
        except msgspec.MsgspecError:
            return False
        if execution.is_cell:
            self._order.add(Cell(request, execution.place, execution.stop_on_error))
            return True
        if execution.place is Place.FAR and self._attached:
            self.far.ask(request)
            return True
        return False

    def _is_of_here(self, request: Request) -> bool:
        """A completion in a cell that runs here, or a message of a comm that was opened here."""
        content = request.message.content
        with suppress(msgspec.MsgspecError):
            if request.msg_type in ("complete_request", "inspect_request"):
                return routing.asks_here(content)
            if request.msg_type in ("comm_msg", "comm_close"):
                return routing.comm_id(content) in self.comm_manager.comms
        return False

    # --- cells ---

    def _start_cell(self, cell: Cell) -> None:
        if cell.place is Place.FAR:
            self.far.run(cell.request)
        else:
            self._loop.create_task(super().shell_channel_thread_main(self._raw(cell.request)))

    def _abort_cell(self, cell: Cell) -> None:
        """On the main thread, whose answers keep their order: first that of the cell that failed."""
        self.io_loop.add_callback(self._abort_here, cell.request)

    def _abort_here(self, request: Request) -> None:
        parent = self._parent_of(request)
        stream = self.shell_channel_thread.manager.get_subshell_to_shell_channel_socket(None)
        self._publish_status("busy", "shell", parent)
        self._send_abort_reply(stream, parent, list(request.idents))
        self._publish_status("idle", "shell", parent)

    def _parent_of(self, request: Request) -> dict[str, Any]:
        message = request.message
        parts = (message.header, message.parent_header, message.metadata, message.content)
        header, parent_header, metadata, content = map(decode, parts)
        return {"header": header, "parent_header": parent_header, "metadata": metadata, "content": content}

    async def execute_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """What runs here; a cell tells the order of its end."""
        self._failed = True
        try:
            await super().execute_request(stream, ident, parent)
        finally:
            msg_id, failed = parent["header"]["msg_id"], self._failed
            self._on_loop(lambda: self._order.ended(msg_id, failed=failed))

    async def do_execute(self, code: str, *arguments: Any, **named: Any) -> Any:
        if routing.names_own_magic(code):
            self._load_magics()
        reply = await super().do_execute(code, *arguments, **named)
        self._failed = reply.get("status") != "ok"
        return reply

    def _load_magics(self) -> None:
        """Over this kernel's own way to the gateway; a bare ``%%gpu`` means its session."""
        from farcell.remote_runtime.client.blocking import Face

        from ..extension import magics_of

        if self._magics_loaded:
            return
        self._magics_loaded = True

        async def far_side() -> tuple[FarSide, Any]:
            return self.far, await self.far.find_spec()

        magics = magics_of(self.shell)
        with suppress(FarcellError):
            far, spec = self._far_away(far_side()).result()
            magics.sessions.adopt(Face(far.core, self._loop), spec)

    _magics_loaded = False
    _failed = False

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        """The order aborts what waits behind a cell that failed, here or far."""

    # --- questions ---

    def _open_stdin(self) -> None:
        self._stdin_stream = ZMQStream(self.stdin_socket, self.shell_channel_thread.io_loop)
        self._stdin_stream.on_recv(self._answered, copy=False)

    def _answered(self, msg: list[Any]) -> None:
        request = self._read("stdin", msg)
        if request is None or (self._far is not None and self._far.answer(request.message)):
            return
        self._answers.put(decode(request.message.content))

    def _input_request(self, prompt: str, ident: Any, parent: Any, password: bool = False) -> str:  # noqa: FBT001, FBT002 (ipykernel's)
        """Asks for a cell that runs here."""
        self._answers.forget()
        content = {"prompt": prompt, "password": password}
        message = self.session.msg("input_request", content, parent)
        parts = self.session.serialize(message, ident)
        self._on_loop(self._stdin_stream.send_multipart, parts)
        return self._answers.wait()

    # --- the control channel ---

    async def dispatch_control(self, msg: list[Any]) -> None:
        request = self._read("control", msg)
        if request is not None and request.msg_type in routing.FOLLOWS_CELLS and self._attached:
            self._on_loop(self.far.ask, request)
        else:
            await super().dispatch_control(msg)

    async def interrupt_request(self, stream: Any, ident: Any, parent: Any) -> None:
        if await self._interrupt_far():
            self.session.send(stream, "interrupt_reply", {"status": "ok"}, parent, ident=ident)
        else:
            await super().interrupt_request(stream, ident, parent)

    async def _interrupt_far(self) -> bool:
        async def interrupt() -> bool:
            return self._far is not None and self._far.interrupt()

        return await asyncio.wrap_future(self._far_away(interrupt()))

    def _interrupted_by_signal(self, _number: int, _frame: object) -> None:
        """A signal that comes while nothing runs here is for the far cell."""
        self._on_loop(lambda: self._far and self._far.interrupt())

    async def do_debug_request(self, msg: dict[str, Any]) -> Any:
        """Comes here only while no far kernel is attached; ``debugInfo`` is what front ends begin with."""
        if msg.get("command") == "debugInfo":
            return await super().do_debug_request(msg)
        return {
            "type": "response",
            "request_seq": msg.get("seq", 0),
            "command": msg.get("command", ""),
            "success": False,
            "message": RUN_A_CELL_FIRST,
        }

    async def create_subshell_request(self, socket: Any, ident: Any, parent: Any) -> None:
        self._refuse_subshells(socket, "create_subshell_reply", ident, parent)

    async def delete_subshell_request(self, socket: Any, ident: Any, parent: Any) -> None:
        self._refuse_subshells(socket, "delete_subshell_reply", ident, parent)

    async def list_subshell_request(self, socket: Any, ident: Any, parent: Any) -> None:
        self.session.send(
            socket, "list_subshell_reply", {"status": "ok", "subshell_id": []}, parent, ident=ident
        )

    def _refuse_subshells(self, socket: Any, msg_type: str, ident: Any, parent: Any) -> None:
        """They are offered all the same: JupyterLab asks what a kernel can only when it connects, before any cell."""
        content = {"status": "error", "evalue": "run a cell first: subshells are the far kernel's"}
        self.session.send(socket, msg_type, content, parent, ident=ident)

    # --- the end ---

    async def do_shutdown(self, restart: bool) -> Any:  # noqa: FBT001 (ipykernel's)
        """A restart restarts the far kernel; anything else ends the lease."""
        self._is_told = True
        await asyncio.wrap_future(self._far_away(self._leave(restart=restart)))
        return super().do_shutdown(restart)

    async def _leave(self, *, restart: bool | None) -> None:
        """None: only detaches. The gateway is not waited for long: it knows by then what is to be done."""
        from .far_side import GOODBYE_S

        if self._far is None:
            return
        with suppress(FarcellError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                if restart:
                    await self._far.restart()
                elif restart is False:
                    await self._far.end()
                await self._far.close(restarts=bool(restart))

    def _follow_parent(self) -> None:
        """A kernel whose front end was killed detaches too, unless it was started to outlive it.

        Jupyter's front ends start kernels in a session of their own, and name themselves where they are not outlived.
        """
        is_named = self.parent.parent_handle == os.getppid()
        if os.name == "posix" and (is_named or os.getsid(0) != os.getpid()):
            self._detach_without(os.getppid())

    def _detach_without(self, parent: int) -> None:
        if os.getppid() == parent:
            self._loop.call_later(PARENT_EVERY_S, self._detach_without, parent)
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    def _terminated(self, number: int, _frame: object) -> None:
        """Detaches, and ends as the signal would: closing a notebook is no end of what runs far."""
        if not self._is_told:
            self._detach()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _detach(self) -> None:
        from . import restart_note
        from .far_side import GOODBYE_S

        if (path := self.notebook.path()) is not None:
            with suppress(OSError):
                restart_note.leave(path)
        with suppress(FarcellError, FutureTimeoutError):
            self._far_away(self._leave(restart=None)).result(GOODBYE_S)

    _is_told = False
    """Whether a request said what becomes of the far kernel; a front end that loses patience then signals too."""
