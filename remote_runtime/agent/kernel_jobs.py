"""Jobs in the kernel: cells on threads of their own, beside the main thread's; standard library only.

SIGINT reaches the main thread alone. A ``farcell_cancel_request`` on the control channel, ``{"execute_id": ...}``,
interrupts one job: a KeyboardInterrupt where its code runs, a cancellation where that awaits, SIGTERM to the processes
that its thread has started. The reply, ``{"found": ...}``, says whether there was one to interrupt. Native code is
left when it returns.

A job asks nobody: its ``input()`` raises, since answers are the main thread's.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

CANCEL_REQUEST = "farcell_cancel_request"
CANCEL_REPLY = "farcell_cancel_reply"

LOOK_EVERY_S = 0.01
ASKS_NOBODY = "a job can't ask: input() works in cells without --bg"

_in_job: ContextVar[bool] = ContextVar("farcell_in_job", default=False)


def load(shell: Any) -> None:
    """Into the shell's kernel, for the rest of its life."""
    kernel = shell.kernel
    running: dict[str, _Job] = {}
    execute_as_before = kernel.shell_handlers["execute_request"]

    async def execute(stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        if not (parent.get("metadata", {}).get("farcell") or {}).get("job"):
            await execute_as_before(stream, ident, parent)
            return
        execute_id = parent["header"]["msg_id"]
        _in_job.set(True)
        running[execute_id] = _Job(shell.run_code.__code__)
        try:
            await execute_as_before(stream, ident, parent)
        except (
            KeyboardInterrupt,
            asyncio.CancelledError,
        ) as error:  # not in the user's code: nobody has replied
            reply = {"status": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": []}
            kernel.session.send(stream, "execute_reply", reply, parent, ident=ident)
        finally:
            del running[execute_id]

    async def cancel(stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        job = running.get(parent["content"].get("execute_id"))
        if job is not None:
            await job.cancel()
        content = {"status": "ok", "found": job is not None}
        kernel.session.send(stream, CANCEL_REPLY, content, parent, ident=ident)

    kernel.shell_handlers["execute_request"] = execute
    kernel.control_handlers[CANCEL_REQUEST] = cancel
    own = type(kernel)
    kernel.__class__ = type(own.__name__, (_AsksInNoJob, own), {})


class _AsksInNoJob:
    """Mixed into the kernel's class; a function around its `raw_input` would be in all cells' tracebacks.

    ipykernel looks at this first when a cell asks, and has the last request's word for all cells: a job's is left out.
    """

    _cells_may_ask = False

    @property
    def _allow_stdin(self) -> bool:
        if _in_job.get():
            from IPython.core.error import StdinNotImplementedError

            raise StdinNotImplementedError(ASKS_NOBODY)
        return self._cells_may_ask

    @_allow_stdin.setter
    def _allow_stdin(self, value: bool) -> None:
        if not _in_job.get():
            self._cells_may_ask = value


@dataclass(slots=True)
class _Job:
    """Made on the job's thread, in its task. `run_code` is the function below which everything is the user's."""

    run_code: CodeType
    thread: threading.Thread = field(default_factory=threading.current_thread)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    task: asyncio.Task[Any] | None = field(default_factory=asyncio.current_task)

    async def cancel(self) -> None:
        """From another thread's loop. Only the user's code is interrupted: an event loop would not survive it.

        What it started is told last: whoever starts something meanwhile is interrupted before it waits for that.
        """
        waits: Future[None] = Future()
        self.loop.call_soon_threadsafe(self._cancel_what_waits, waits)
        while not waits.done() and self.thread.is_alive():
            if self._runs_user_code():
                waits.cancel()
                thread_id = ctypes.c_ulong(self.thread.ident or 0)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread_id, ctypes.py_object(KeyboardInterrupt))
            else:
                await asyncio.sleep(LOOK_EVERY_S)
        self._end_children()

    def _cancel_what_waits(self, waits: Future[None]) -> None:
        """The loop is free, so that the job awaits something."""
        if waits.set_running_or_notify_cancel():
            if self.task is not None:
                self.task.cancel()
            waits.set_result(None)

    def _runs_user_code(self) -> bool:
        frame = sys._current_frames().get(self.thread.ident or 0)  # noqa: SLF001 (there is no other way)
        while frame is not None and frame.f_code is not self.run_code:
            frame = frame.f_back
        return frame is not None

    def _end_children(self) -> None:
        """Linux lists them by the thread that started them. SIGINT they ignore, as the kernel does between cells."""
        children = Path(f"/proc/self/task/{self.thread.native_id}/children")
        with suppress(OSError):
            for child in map(int, children.read_text("ascii").split()):
                leads_group = os.getpgid(child) == child
                (os.killpg if leads_group else os.kill)(child, signal.SIGTERM)
