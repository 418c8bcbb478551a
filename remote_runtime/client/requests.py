"""Requests that are no cells and whose replies somebody waits for here; on one event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable
from typing import Any

from ..wire.messages import KernelMessage, header_of

_REMEMBERED = 1000
"""Of how many requests what comes of them is known: their statuses come beside their replies, before or after."""


class Requests:
    """Keeps what comes of its requests away from those who take what belongs to no cell."""

    def __init__(self) -> None:
        self._replies: OrderedDict[str, asyncio.Future[KernelMessage]] = OrderedDict()

    def reply_to(self, request: KernelMessage) -> Awaitable[KernelMessage]:
        """To be called before it is sent; its reply, whenever that comes."""
        reply = asyncio.get_running_loop().create_future()
        self._replies[str(header_of(request).get("msg_id"))] = reply
        while len(self._replies) > _REMEMBERED:
            self._replies.popitem(last=False)[1].cancel()
        return reply

    def received(self, message: KernelMessage, parent: dict[str, Any]) -> bool:
        """Whether that message came of one of these."""
        reply = self._replies.get(str(parent.get("msg_id")))
        if reply is None:
            return False
        if message.channel != "iopub" and not reply.done():
            reply.set_result(message)
        return True
