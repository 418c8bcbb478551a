"""The IPython extension that the agent loads into the kernel; standard library only.

It adds one message type to the kernel's shell channel, ``farcell_variables_request``, answered on the main thread
between cells by ``farcell_variables_reply``: ``{"variables": [{"name", "type"}, ...]}``, the names that the user's
cells made. Nothing enters the user's namespace or history.

It gives a cell the number that it has in its notebook (``metadata.farcell.number`` of the request), so that a traceback
names the cell that its reader sees.

A widget's message for a subshell is handled there, also beside the cell that runs. From 7.4 on, ipykernel has it wait
for the shell that used the widget last: a slider would not move while its cell runs.
"""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

VARIABLES_REQUEST = "farcell_variables_request"
VARIABLES_REPLY = "farcell_variables_reply"


def load_ipython_extension(shell: Any) -> None:
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return

    async def answer(stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        content = {"status": "ok", "variables": user_variables(shell.user_ns, shell.user_ns_hidden)}
        kernel.session.send(stream, VARIABLES_REPLY, content, parent, ident=ident)

    async def execute(stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        number = (parent.get("metadata", {}).get("farcell") or {}).get("number")
        if isinstance(number, int):
            shell.execution_count = number
        await execute_as_before(stream, ident, parent)

    execute_as_before = kernel.shell_handlers["execute_request"]
    kernel.shell_handlers["execute_request"] = execute
    kernel.shell_handlers[VARIABLES_REQUEST] = answer
    _take_comms_where_they_are_sent()


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


def user_variables(namespace: dict[str, Any], hidden: dict[str, Any]) -> list[dict[str, str]]:
    """Name and type of what a stop would lose.

    Not lost: modules and what was imported from them, underscored names, and what IPython put there itself.
    """
    return [
        {"name": name, "type": type(value).__name__}
        for name, value in list(namespace.items())
        if not name.startswith("_") and hidden.get(name, namespace) is not value and not _is_imported(value)
    ]


def _is_imported(value: Any) -> bool:
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        return value.__module__ != "__main__"
    return isinstance(value, ModuleType)
