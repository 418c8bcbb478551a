"""Requests that are no cells and whose replies somebody waits for here; on one event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from ..api import SessionKey
from ..errors import SessionNotFound
from ..wire.messages import KernelMessage, header_of

_REMEMBERED = 1000
"""Of how many requests what comes of them is known: their statuses come beside their replies, before or after."""


@dataclass(frozen=True, slots=True)
class _Expected:
    key: SessionKey
    reply: asyncio.Future[KernelMessage]


class Requests:
    """Keeps what comes of its requests away from those who take what belongs to no cell."""

    def __init__(self) -> None:
        self._replies: OrderedDict[str, _Expected] = OrderedDict()

    def reply_to(self, request: KernelMessage, key: SessionKey) -> Awaitable[KernelMessage]:
        """To be called before it is sent; its reply, whenever that comes."""
        expected = _Expected(key, asyncio.get_running_loop().create_future())
        self._replies[str(header_of(request).get("msg_id"))] = expected
        while len(self._replies) > _REMEMBERED:
            self._replies.popitem(last=False)[1].reply.cancel()
        return expected.reply

    def lost(self, key: SessionKey) -> None:
        """That session's kernel was replaced: it answers none of them."""
        for expected in self._replies.values():
            if expected.key == key and not expected.reply.done():
                why = f"the kernel of session {key.name} was replaced before it answered"
                expected.reply.set_exception(SessionNotFound(why))

    def received(self, message: KernelMessage, parent: dict[str, Any]) -> bool:
        """Whether that message came of one of these."""
        expected = self._replies.get(str(parent.get("msg_id")))
        if expected is None:
            return False
        if message.channel != "iopub" and not expected.reply.done():
            expected.reply.set_result(message)
        return True
