"""The agent's own requests to the kernel: readiness and the names of variables."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from typing import Any

from ..wire import messages
from ..wire.messages import KernelMessage
from .kernel_extension import PACKAGES_REQUEST, VARIABLES_REQUEST

SESSION = "farcell-agent-" + secrets.token_hex(4)
"""The session id in the agent's own headers; what has it as its parent is nobody else's business."""
_MARK = SESSION.encode()


class KernelRequests:
    """Sends requests under the agent's own client number and waits for their replies.

    `send` puts a message on the kernel's sockets. `received` is to be called with every message of the agent's own
    number and with every IOPub message; it says whether that message was an answer to the agent.
    """

    def __init__(self, send: Callable[[KernelMessage], None]) -> None:
        self._send = send
        self._replies: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._iopub_heard = asyncio.Event()

    def received(self, message: KernelMessage) -> bool:
        if _MARK not in message.parent_header:
            return False
        if message.channel == "iopub":
            self._iopub_heard.set()
            return True
        parent = json.loads(message.parent_header)
        reply = self._replies.pop(parent.get("msg_id", ""), None)
        if reply is not None and not reply.done():
            reply.set_result(json.loads(message.content))
        return True

    async def ready(self) -> dict[str, Any]:
        """The ``kernel_info_reply``, once the kernel answers *and* its IOPub is heard: then nothing is missed."""
        while True:
            reply = await self._ask("kernel_info_request")
            try:
                async with asyncio.timeout(0.05):
                    await self._iopub_heard.wait()
            except TimeoutError:
                continue
            return reply

    async def variables(self) -> tuple[str, ...]:
        """The names that the user's cells made; empty when the kernel does not answer within 2 s (it hangs)."""
        try:
            async with asyncio.timeout(2):
                reply = await self._ask(VARIABLES_REQUEST)
        except TimeoutError:
            return ()
        return tuple(str(variable["name"]) for variable in reply.get("variables", ()))

    def package_folders(self) -> asyncio.Future[dict[str, Any]]:
        """Asks, ahead of what is sent from now on, where the kernel's packages lie; the reply whenever it comes."""
        return self._begin(PACKAGES_REQUEST)[1]

    async def _ask(self, msg_type: str) -> dict[str, Any]:
        msg_id, reply = self._begin(msg_type)
        try:
            return await reply
        finally:
            self._replies.pop(msg_id, None)

    def _begin(self, msg_type: str) -> tuple[str, asyncio.Future[dict[str, Any]]]:
        msg_id = f"{SESSION}-{secrets.token_hex(8)}"
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[msg_id] = reply
        self._send(_request(msg_id, msg_type))
        return msg_id, reply


def _request(msg_id: str, msg_type: str) -> KernelMessage:
    return messages.encode("shell", messages.new_header(msg_type, SESSION) | {"msg_id": msg_id})
