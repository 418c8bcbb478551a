"""What comes from a session's kernel, sorted by the cells that wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..api import Session
from ..errors import BadRequest
from ..wire.messages import KernelMessage, decode, header_of
from .away import SHOWN_TYPES
from .cell import Began, LinkDown, LinkUp, RunningCell
from .endings import kernel_died, taken_over
from .output import Output, read_output

Stray = Callable[[KernelMessage, dict[str, Any], dict[str, Any]], None]
"""Gets what belongs to no cell that waits here, with its header and its parent's: a thread that prints after its cell,
comms, answers to other requests.
"""


@dataclass(frozen=True, slots=True)
class Finished:
    """A cell that has its reply, and all its output before."""

    reply: dict[str, Any]
    duration_s: float


@dataclass(slots=True)
class Waiting:
    """A cell that was sent: its end is its reply *and* the kernel's idle, which come over different sockets.

    `after`: the journal's position before which the agent can't have it. `accepted`: the agent has it for sure. `end`
    is None when nothing more will come.
    """

    run: RunningCell
    anew: str | None
    after: int
    end: asyncio.Future[Finished | None]
    accepted: bool = False
    began_at: float | None = None
    reply: dict[str, Any] | None = None
    idle: bool = False
    answer: KernelMessage | None = None
    """To its newest question; what comes after it tells nothing, and the agent passes on none twice."""


class CellInbox:
    """Fed with every message once, in order."""

    def __init__(self, session: Session, stray: Stray) -> None:
        self.session = session
        self._stray = stray
        self._cells: dict[str, Waiting] = {}
        self._asked: dict[str, KernelMessage] = {}
        self._adopted: set[str] = set()
        self._unclaimed: list[Output] = []

    def __bool__(self) -> bool:
        """Whether a cell waits."""
        return bool(self._cells)

    @contextmanager
    def waiting(self, run: RunningCell, anew: str | None, after: int = 0) -> Iterator[Waiting]:
        """The cell's messages come to it as long as this lasts."""
        waiting = Waiting(run, anew, after, asyncio.get_running_loop().create_future())
        self._cells[run.source.execute_id] = waiting
        while self._unclaimed and not run.in_background:
            run.put(self._unclaimed.pop(0))
        try:
            yield waiting
        finally:
            del self._cells[run.source.execute_id]

    def adopt(self, execute_ids: Iterable[str]) -> None:
        """Cells that another kernel of this notebook sent and that still run: whoever waits here shows their output."""
        self._adopted.update(execute_ids)

    def answered(self, execute_id: str, answer: KernelMessage) -> None:
        """A question of the cell's was answered."""
        if execute_id in self._cells:
            self._cells[execute_id].answer = answer

    def asked(self, message: KernelMessage) -> None:
        """A request that is no cell went out: it is out until the kernel is idle after it."""
        self._asked[str(header_of(message).get("msg_id"))] = message

    def unheard(self) -> list[KernelMessage]:
        """The requests and answers of which nobody knows whether they arrived."""
        requests = [waiting.run.source.request() for waiting in self._unaccepted()]
        answers = [waiting.answer for waiting in self._cells.values() if waiting.answer is not None]
        return [*requests, *answers, *self._asked.values()]

    def unaccepted_since(self, position: int) -> int:
        """From where on a journal tells which of them did; `position` where there are none."""
        return min([position, *(waiting.after for waiting in self._unaccepted())])

    def shown_up_to(self, position: int) -> int:
        """Behind that there is nothing of a cell that still waits; `position` where none does but jobs."""
        waits = (one for one in self._cells.values() if not one.end.done() and not one.run.in_background)
        return min([position, *(waiting.after for waiting in waits)])

    def _unaccepted(self) -> list[Waiting]:
        return [
            waiting for waiting in self._cells.values() if not waiting.accepted and not waiting.end.done()
        ]

    def accepted(self, execute_id: str) -> None:
        if execute_id in self._cells:
            self._cells[execute_id].accepted = True

    def refused(self, reason: str) -> None:
        """The gateway takes none of what has not arrived yet."""
        for waiting in self._unaccepted():
            waiting.end.set_exception(BadRequest(f"the gateway does not take this cell: {reason}"))

    @property
    def is_full(self) -> bool:
        """Whether who shows a cell is behind with it."""
        return any(waiting.run.is_full for waiting in self._cells.values())

    async def room(self) -> None:
        """Waits as long as it `is_full`."""
        for waiting in list(self._cells.values()):
            if waiting.run.is_full:
                await waiting.run.room()

    def taken_over(self, by: str) -> None:
        """Another client has the session now: nothing more comes here."""
        for waiting in self._cells.values():
            if not waiting.end.done():
                waiting.end.set_exception(taken_over(self.session, by, begun=waiting.began_at is not None))

    def link_changed(self, *, up: bool) -> None:
        for waiting in self._cells.values():
            waiting.run.put(LinkUp() if up else LinkDown())

    def end(self) -> None:
        """Nothing more will come."""
        for waiting in self._cells.values():
            if not waiting.end.done():
                waiting.end.set_result(None)

    @property
    def has_unaccepted(self) -> bool:
        """Whether there are cells of which nobody knows whether they arrived."""
        return any(not waiting.accepted and not waiting.end.done() for waiting in self._cells.values())

    def may_end_kernel(self, message: KernelMessage) -> bool:
        """Whether the message may be a kernel's end; whether that had the cell too, the journal tells.

        It may well be said of one that is not: what is looked up in the journal is right in any case.
        """
        return b'"restarting"' in message.content

    def received(self, message: KernelMessage, *, missed: bool = False) -> None:
        """`missed`: read in the journal, with all that was `accepted` before it told."""
        header, parent = header_of(message), decode(message.parent_header)
        waiting = self._cells.get(str(parent.get("msg_id")))
        msg_type = str(header.get("msg_type"))
        if waiting is not None:
            self._of_cell(waiting, msg_type, header, message)
        elif msg_type == "status" and not parent:
            self._lifecycle(decode(message.content), missed=missed)
            self._stray(message, header, parent)
        elif self._is_adopted(message, msg_type, parent):
            self._of_adopted(read_output(message, msg_type), message.size_bytes)
        else:
            if msg_type == "status" and decode(message.content).get("execution_state") == "idle":
                self._asked.pop(str(parent.get("msg_id")), None)
            self._stray(message, header, parent)

    def _is_adopted(self, message: KernelMessage, msg_type: str, parent: dict[str, Any]) -> bool:
        """Comms are nobody's output."""
        comm = msg_type.startswith("comm_")
        return message.channel == "iopub" and parent.get("msg_id") in self._adopted and not comm

    def _of_adopted(self, output: Output, size_bytes: int) -> None:
        waiting = next((one for one in self._cells.values() if not one.run.in_background), None)
        if output.msg_type not in SHOWN_TYPES:
            return
        if waiting is None:
            self._unclaimed.append(output)
        else:
            waiting.run.show(output, size_bytes)

    def _of_cell(
        self, waiting: Waiting, msg_type: str, header: dict[str, Any], message: KernelMessage
    ) -> None:
        waiting.accepted = True
        waiting.run.hear(message, header)
        if msg_type == "status":
            self._status(waiting, decode(message.content).get("execution_state"))
        elif msg_type == "execute_reply":
            waiting.reply = decode(message.content)
            self._end_if_over(waiting)

    def _status(self, waiting: Waiting, state: object) -> None:
        if state == "busy" and waiting.began_at is None:
            waiting.began_at = time.monotonic()
            waiting.run.put(Began(self.session, waiting.anew))
        elif state == "idle":
            waiting.idle = True
            self._end_if_over(waiting)

    def _end_if_over(self, waiting: Waiting) -> None:
        if waiting.idle and waiting.reply is not None and not waiting.end.done():
            duration_s = 0.0 if waiting.began_at is None else time.monotonic() - waiting.began_at
            waiting.end.set_result(Finished(waiting.reply, duration_s))

    def _lifecycle(self, content: dict[str, Any], *, missed: bool) -> None:
        """``restarting`` comes from the agent, with the reason: no reply will come to what the kernel had.

        Live, that is every cell that was sent: where it might not be, the journal is read instead.
        """
        if content.get("execution_state") != "restarting":
            return
        detail = str((content.get("farcell") or {}).get("detail", ""))
        for waiting in self._cells.values():
            if not waiting.end.done() and (waiting.accepted or not missed):
                begun = waiting.began_at is not None
                waiting.end.set_exception(kernel_died(self.session, detail, begun=begun))
