"""The IPython extension that the agent loads into the kernel; standard library only.

It adds one message type to the kernel's shell channel, ``farcell_variables_request``, answered on the main thread
between cells by ``farcell_variables_reply``: ``{"variables": [{"name", "type"}, ...]}``, the names that the user's
cells made. Nothing enters the user's namespace or history.

It says in the same way where packages lie (``farcell_packages_request``): ``{"folders": [...]}``.

It gives a cell the number that it has in its notebook (``metadata.farcell.number`` of the request), so that a traceback
names the cell that its reader sees.

No output is dropped because the agent reads more slowly than a cell prints.

A widget's message for a subshell is handled there, also beside the cell that runs. From 7.4 on, ipykernel has it wait
for the shell that used the widget last: a slider would not move while its cell runs.

It lets an interrupt end a cell that awaits: Python calls a signal's handler at once, which cancels the cell, but
asyncio goes on waiting, and would find that out with the kernel's next message.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from . import kernel_jobs

VARIABLES_REQUEST = "farcell_variables_request"
VARIABLES_REPLY = "farcell_variables_reply"
PACKAGES_REQUEST = "farcell_packages_request"
PACKAGES_REPLY = "farcell_packages_reply"


def load_ipython_extension(shell: Any) -> None:
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return

    async def answer(stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        content = {"status": "ok", "variables": user_variables(shell.user_ns, shell.user_ns_hidden)}
        kernel.session.send(stream, VARIABLES_REPLY, content, parent, ident=ident)

    async def answer_packages(stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        content = {"status": "ok", "folders": package_folders()}
        kernel.session.send(stream, PACKAGES_REPLY, content, parent, ident=ident)

    async def execute(stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        number = (parent.get("metadata", {}).get("farcell") or {}).get("number")
        if isinstance(number, int):
            number_next_cell(shell, number)
        keep_output_for_slow_readers(kernel)
        await execute_as_before(stream, ident, parent)

    def wake_the_loop(*_: object) -> None:
        if threading.current_thread() is threading.main_thread():  # and not a subshell's
            shell.events.unregister("pre_run_cell", wake_the_loop)
            wake_on_signals(asyncio.get_running_loop())

    shell.events.register("pre_run_cell", wake_the_loop)
    execute_as_before = kernel.shell_handlers["execute_request"]
    kernel.shell_handlers["execute_request"] = execute
    kernel.shell_handlers[VARIABLES_REQUEST] = answer
    kernel.shell_handlers[PACKAGES_REQUEST] = answer_packages
    kernel_jobs.load(shell)
    _take_comms_where_they_are_sent()


def keep_output_for_slow_readers(kernel: Any) -> None:
    """Of what a reader has not taken yet, ZMQ drops all beyond 1,000 messages: a cell's idle status, too.

    The socket is made before this is loaded, and a mark holds for the connections that are there when it is set: so it
    is set before each cell, on the thread that owns the socket.
    """
    thread = kernel.iopub_thread

    def lift() -> None:
        thread.socket.sndhwm = 0

    thread.schedule(lift)


def _take_comms_where_they_are_sent() -> None:
    """Answers to a comm's own questions, which carry an id, still go to the shell that asked."""
    try:
        from ipykernel.comm import comm
    except ImportError:
        return
    base: Any = comm.BaseComm
    if hasattr(base, "_reply_subshell_for"):
        as_before = base._reply_subshell_for  # noqa: SLF001

        def route(one: Any, data: Any, subshell_id: str | None) -> Any:
            content = data.get("content") if isinstance(data, dict) else None
            answers = isinstance(content, dict) and isinstance(content.get("id"), str)
            return subshell_id if subshell_id and not answers else as_before(one, data, subshell_id)

        base._reply_subshell_for = route  # noqa: SLF001


def wake_on_signals(loop: asyncio.AbstractEventLoop) -> None:
    """For as long as the process lives."""
    wakes, woken = socket.socketpair()
    for end in (wakes, woken):
        end.settimeout(0)
    signal.set_wakeup_fd(wakes.detach(), warn_on_full_buffer=False)
    loop.add_reader(woken, woken.recv, 4096)


def number_next_cell(shell: Any, number: int) -> None:
    """A number that may have been before begins another session in the history, where numbers are unique in each."""
    if number < shell.execution_count:
        shell.history_manager.end_session()
        shell.history_manager.new_session()
    shell.execution_count = number


def user_variables(namespace: dict[str, Any], hidden: dict[str, Any]) -> list[dict[str, str]]:
    """Name and type of what a stop would lose.

    Not lost: modules and what was imported from them, underscored names, and what IPython put there itself.
    """
    return [
        {"name": name, "type": type(value).__name__}
        for name, value in list(namespace.items())
        if not name.startswith("_") and hidden.get(name, namespace) is not value and not _is_imported(value)
    ]


def package_folders() -> list[str]:
    """Where installers put packages that are imported here."""
    return [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]


def _is_imported(value: Any) -> bool:
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        return value.__module__ != "__main__"
    return isinstance(value, ModuleType)
