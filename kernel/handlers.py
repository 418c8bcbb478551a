"""The local kernel's handlers of what a front end asks, where far kernels have a part in it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from farcell.remote_runtime.errors import FarcellError
from farcell.remote_runtime.wire.messages import decode

from . import widget_states
from .arguments import CellArguments
from .far_comms import FarComm, Message
from .far_tab import far_code
from .requests import as_it_came
from .sessions import NotebookSessions

ANSWER_S = 0.3
"""How long a far kernel may take for a completion; later ones come too late for who types."""
HANDLED_S = 1.0
"""How long a comm's message is waited for: front ends send the next when one is handled."""

Handler = Callable[[Any, Any, Message], Any]


class Handlers:
    """In the place of some of the kernel's own, which they fall back on; on whatever thread the kernel calls them.

    They ask nothing of a gateway that no cell has asked before.
    """

    def __init__(self, sessions: NotebookSessions) -> None:
        self._sessions = sessions
        self._comms = sessions.comms
        self._kernel = sessions.notebook.kernel
        self._before: list[tuple[dict[str, Handler], str, Handler]] = []

    def install(self) -> None:
        """In a kernel that has such handlers; starts nothing."""
        shell = getattr(self._kernel, "shell_handlers", {})
        control = getattr(self._kernel, "control_handlers", {})
        self._wrap(shell, "comm_open", self._comm_open)
        self._wrap(shell, "comm_msg", self._comm_msg)
        self._wrap(shell, "complete_request", self._ask_far)
        self._wrap(shell, "inspect_request", self._ask_far)
        self._wrap(control, "delete_subshell_request", self._subshell_deleted)

    def remove(self) -> None:
        """What the front end has of far comms ends too: nobody would send on what it says to them."""
        for handlers, msg_type, before in self._before:
            handlers[msg_type] = before
        self._before.clear()
        self._comms.end(self._comms.of())

    def _wrap(self, handlers: dict[str, Handler], msg_type: str, handler: Callable[..., Any]) -> None:
        before = handlers.get(msg_type)
        if before is None:
            return

        async def handle(stream: Any, ident: Any, msg: Message) -> None:
            async def as_before() -> None:
                done = before(stream, ident, msg)
                if inspect.isawaitable(done):
                    await done

            await handler(stream, ident, msg, as_before)

        self._before.append((handlers, msg_type, before))
        handlers[msg_type] = handle

    # --- comms ---

    async def _comm_open(self, _stream: Any, _ident: Any, msg: Message, as_before: Any) -> None:
        """For a target that is not known here it goes to the session of the last cell."""
        if widget_states.opens(self._comms, msg):
            return
        client, key = self._sessions.known_client, self._sessions.session_for(CellArguments())
        known = msg["content"].get("target_name") in self._comms.manager.targets
        if known or client is None or key is None or client.attached(key) is None:
            await as_before()
        else:
            self._comms.stand_in(key, msg["content"]["comm_id"], str(msg["content"].get("target_name")))
            self._comms.send_on(key, msg)

    async def _comm_msg(self, _stream: Any, _ident: Any, msg: Message, as_before: Any) -> None:
        """That of a far comm is over when it is handled there, so that the front end does not run ahead."""
        await as_before()
        sent = self._comms.sent_on(msg)
        if sent is not None and isinstance(self._comm(msg), FarComm):
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(sent.handled)), HANDLED_S)

    def _comm(self, msg: Message) -> Any:
        return self._comms.manager.comms.get(msg["content"].get("comm_id"))

    async def _subshell_deleted(self, _stream: Any, _ident: Any, msg: Message, as_before: Any) -> None:
        await as_before()
        if (client := self._sessions.known_client) is not None:
            client.lane_ended(msg["content"].get("subshell_id"))

    # --- Tab and Shift-Tab ---

    async def _ask_far(self, stream: Any, ident: Any, msg: Message, as_before: Any) -> None:
        answer = None
        with suppress(FarcellError, TimeoutError, KeyError, TypeError):
            answer = await self._far_answer(msg)
        if answer is None:
            await as_before()
        else:
            msg_type = msg["header"]["msg_type"].replace("request", "reply")
            self._kernel.session.send(stream, msg_type, answer, msg, ident)

    async def _far_answer(self, msg: Message) -> dict[str, Any] | None:
        """None where the code is none for a session, or its kernel has none in time."""
        code = far_code(msg["content"]["code"], msg["content"]["cursor_pos"])
        client, key = (
            self._sessions.known_client,
            self._sessions.session_for(code.arguments) if code else None,
        )
        if code is None or client is None or key is None or client.attached(key) is None:
            return None
        asked = as_it_came(msg, code.question(msg["content"]))
        lane = msg["header"].get("subshell_id")
        reply = await asyncio.wait_for(asyncio.wrap_future(client.request(key, asked, lane)), ANSWER_S)
        content = decode(reply.content)
        return code.answer(content) if content.get("status") == "ok" else None
