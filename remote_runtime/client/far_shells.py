"""Which shell of a far kernel takes what is no cell: its main shell, or a subshell beside the cell that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from ..api import Session, SessionKey
from ..errors import FarcellError
from ..wire.messages import KernelMessage, decode, encode, header_of, new_header

MAKE_S = 5.0
"""How long a far kernel may take to make a subshell; its control thread waits for the interpreter as all threads do."""
FEATURE = "kernel subshells"
CANCEL_REQUEST = "farcell_cancel_request"
"""What the far kernel's extension calls the interrupt of one subshell's cell."""
CANCEL_AGAIN_S = 0.2

Lane = str | None
"""What came over one shell here keeps its order there: the front end's subshell id, None for the main shell."""


class Kernels(Protocol):
    """The far kernels that this client is attached to."""

    def attached(self, key: SessionKey) -> Session | None: ...

    def busy(self, key: SessionKey) -> bool: ...

    def ask(self, key: SessionKey, message: KernelMessage) -> None: ...

    async def request(self, key: SessionKey, message: KernelMessage) -> KernelMessage: ...


Control = Callable[[KernelMessage], Awaitable[KernelMessage]]
"""Asks a far kernel on its control channel, whose thread answers beside the cells."""


class FarShells:
    """A message goes to the far kernel's main shell, unless a cell runs there: then to a subshell of its lane's.

    Subshells are made when they are first needed. A kernel without them (ipykernel 6) has only its main shell.
    """

    def __init__(self, kernels: Kernels) -> None:
        self._kernels = kernels
        self._order: dict[tuple[SessionKey, Lane], asyncio.Lock] = {}
        self._made: dict[tuple[SessionKey, Lane], asyncio.Task[str | None]] = {}

    async def send(self, key: SessionKey, message: KernelMessage, lane: Lane) -> None:
        """What comes of it is stray. Silent where no kernel is attached."""
        async with self._order.setdefault((key, lane), asyncio.Lock()):
            self._kernels.ask(key, await self._addressed(key, message, lane))

    async def request(self, key: SessionKey, message: KernelMessage, lane: Lane) -> KernelMessage:
        """Its reply, whenever that comes; raises `SessionNotFound` where no kernel is attached."""
        return await self._kernels.request(key, await self._addressed(key, message, lane))

    async def _addressed(self, key: SessionKey, message: KernelMessage, lane: Lane) -> KernelMessage:
        header = header_of(message)
        header.pop("subshell_id", None)
        busy = self._kernels.attached(key) is not None and self._kernels.busy(key)
        subshell = await self._subshell(key, lane) if busy else None
        if subshell is not None:
            header["subshell_id"] = subshell
        return replace(message, header=encode(message.channel, header).header)

    async def _subshell(self, key: SessionKey, lane: Lane) -> str | None:
        """Whoever gives up waiting for it leaves it to the next."""
        if (key, lane) not in self._made:
            self._made[key, lane] = asyncio.create_task(self._make(key))
        making = self._made[key, lane]
        try:
            return await asyncio.shield(making)
        except (FarcellError, TimeoutError):
            self._made.pop((key, lane), None)
            return None

    async def _make(self, key: SessionKey) -> str | None:
        async with asyncio.timeout(MAKE_S):
            return await make_subshell(partial(self._kernels.request, key))

    def delete(self, lane: Lane) -> None:
        """That lane has ended, and so do its subshells; silent where none were made."""
        for key, one in list(self._made):
            if one == lane:
                self._delete(key, self._made.pop((key, one)))
                self._order.pop((key, one), None)

    def _delete(self, key: SessionKey, made: asyncio.Task[str | None]) -> None:
        if not made.done():
            made.cancel()
        elif not made.exception() and (subshell := made.result()) is not None:
            self._kernels.ask(key, deletion_of(subshell))

    def forget(self, key: SessionKey) -> None:
        """Its kernel was replaced, and its subshells went with it."""
        for one in [one for one in self._made if one[0] == key]:
            self._made.pop(one).cancel()

    async def close(self) -> None:
        made = list(self._made.values())
        for _, lane in list(self._made):
            self.delete(lane)
        await asyncio.gather(*made, return_exceptions=True)


async def make_subshell(control: Control) -> str | None:
    """Its id; None in a kernel without them."""
    info = await _ask(control, "kernel_info_request")
    if FEATURE not in info.get("supported_features", []):
        return None
    subshell = (await _ask(control, "create_subshell_request")).get("subshell_id")
    return None if subshell is None else str(subshell)


def deletion_of(subshell_id: str) -> KernelMessage:
    """Of a subshell where nothing runs: all of a kernel waits for its end."""
    header = new_header("delete_subshell_request")
    return encode("control", header, content={"subshell_id": subshell_id})


async def cancel_job(control: Control, execute_id: str, is_out: Callable[[], bool]) -> None:
    """Interrupts a cell on a subshell; asks again where it has not begun yet, as long as it `is_out`."""
    while is_out():
        if (await _ask(control, CANCEL_REQUEST, execute_id=execute_id)).get("found") is not False:
            return
        await asyncio.sleep(CANCEL_AGAIN_S)


async def _ask(control: Control, msg_type: str, **content: str) -> dict[str, Any]:
    return decode((await control(encode("control", new_header(msg_type), content=content))).content)
