"""A cell on its way: what goes out, and the events that come back."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ..api import Session
from ..errors import FarcellError
from ..wire import messages
from ..wire.messages import KernelMessage, decode, encode
from .away import Missed
from .output import Output, read_output


class Source(Protocol):
    """What is to run, and its execute id."""

    @property
    def execute_id(self) -> str: ...

    def request(self) -> KernelMessage: ...


@dataclass(frozen=True, slots=True)
class CellSource:
    """What is to run; with `silent` it is no cell: not numbered, not billed, no activity.

    `header` is the front end's own where there is one: its ``msg_id`` is the execute id. `number` is the notebook's
    ``In [n]``, for the bill. With `in_background` it is a job: it runs beside the session's other cells.
    """

    code: str
    header: dict[str, Any]
    number: int | None = None
    allow_stdin: bool = True
    silent: bool = False
    in_background: bool = False

    @property
    def execute_id(self) -> str:
        return str(self.header["msg_id"])

    def request(self) -> KernelMessage:
        content = {
            "code": self.code,
            "silent": self.silent,
            "store_history": not self.silent,
            "user_expressions": {},
            "allow_stdin": self.allow_stdin,
            "stop_on_error": not self.in_background,
        }
        facts = {"number": self.number} | ({"job": True} if self.in_background else {})
        return encode("shell", self.header, metadata={"farcell": facts}, content=content)


def new_header(session: str | None = None, msg_type: str = "execute_request") -> dict[str, Any]:
    """A header for a message that no front end has sent."""
    return messages.new_header(msg_type, session)


# --- events, in the order in which they happened ---


@dataclass(frozen=True, slots=True)
class Progress:
    """The session is not running yet; comes on every change while it waits."""

    session: Session


@dataclass(frozen=True, slots=True)
class Began:
    """The cell runs in that session. `anew` says why its variables are gone, if it had any before."""

    session: Session
    anew: str | None = None


@dataclass(frozen=True, slots=True)
class Away:
    """The session's cells have put something out since the notebook last showed them; it follows as `AwayOutput`."""

    missed: Missed


@dataclass(frozen=True, slots=True)
class AwayOutput:
    """One message of another cell's, from before this one began."""

    output: Output


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The way to the gateway broke while the cell was out; it is looked for again, and nothing is lost."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The way is there again; what was missed follows."""


@dataclass(frozen=True, slots=True)
class InputRequest:
    """The cell waits at ``input()`` or ``getpass()``."""

    prompt: str
    password: bool
    header: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """The cell is over, with all of its output before. `reply` is the kernel's; `error` says why none came."""

    reply: dict[str, Any] | None
    error: FarcellError | None
    session: Session | None
    duration_s: float

    @property
    def cost_nanos(self) -> int:
        """By the price of the cell's lease; the ledger has what was charged."""
        lease = self.session.lease if self.session else None
        return round(self.duration_s * lease.price_nanos_per_s) if lease else 0


Event = Progress | Away | AwayOutput | Began | LinkDown | LinkUp | Output | InputRequest | Ended


class RunningCell:
    """A cell as the client sees it. What comes of it is called on the client's event loop."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.begun = False
        """Whether the kernel was seen to begin with it."""
        self.withdrawn = False
        """Whether it was interrupted before it had anywhere to go."""
        self.session: Session | None = None
        """The session as the newest event told it."""

    @property
    def in_background(self) -> bool:
        """Whether it runs on a subshell of its own, beside the session's other cells."""
        return False

    def runs_on(self, subshell_id: str) -> None:
        """Before it is sent, where it runs in the background."""
        raise NotImplementedError

    def put(self, event: Event) -> None:
        self.begun = self.begun or isinstance(event, Began)
        if isinstance(event, Progress | Began | Ended) and event.session is not None:
            self.session = event.session

    def show(self, event: Output | AwayOutput, size_bytes: int) -> None:  # noqa: ARG002 - for those who count
        """Puts what is made of a message of that size."""
        self.put(event)

    def hear(self, message: KernelMessage, header: dict[str, Any]) -> None:
        """Each of its messages, in order, before what the message means for the cell is put."""
        raise NotImplementedError

    @property
    def is_full(self) -> bool:
        """Whether who shows it should take something before more is put."""
        return False

    async def room(self) -> None:
        """Waits as long as it `is_full`; one task at a time."""


QUEUED_BYTES = 8 << 20
"""Of messages that a notebook has not taken yet; beyond, they stay in the journal until it has."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Who waits for room, and where."""

    loop: asyncio.AbstractEventLoop
    taken: asyncio.Event


class CellRun(RunningCell):
    """The blocking side of a running cell: iterate over its events, from any one thread; the last is `Ended`."""

    source: CellSource

    def __init__(
        self, source: CellSource, interrupt: Callable[[], None], answer: Callable[[KernelMessage], None]
    ) -> None:
        super().__init__(source)
        self._interrupt = interrupt
        self._answer = answer
        self._events: queue.SimpleQueue[tuple[Event, int]] = queue.SimpleQueue()
        self._put_bytes = self._taken_bytes = 0
        self._left = False
        self._waiting: _Waiting | None = None

    # --- on the client's event loop ---

    @property
    def in_background(self) -> bool:
        return self.source.in_background

    def runs_on(self, subshell_id: str) -> None:
        self.source = replace(self.source, header={**self.source.header, "subshell_id": subshell_id})

    def put(self, event: Event) -> None:
        super().put(event)
        self._queue(event, 0)

    def show(self, event: Output | AwayOutput, size_bytes: int) -> None:
        self._queue(event, size_bytes)

    def _queue(self, event: Event, size_bytes: int) -> None:
        if not self._left:
            self._put_bytes += size_bytes
            self._events.put((event, size_bytes))

    def hear(self, message: KernelMessage, header: dict[str, Any]) -> None:
        msg_type = str(header.get("msg_type"))
        if message.channel == "stdin":
            content = decode(message.content)
            self.put(InputRequest(str(content.get("prompt", "")), bool(content.get("password")), header))
        elif message.channel == "iopub" and msg_type not in ("status", "execute_input"):
            self.show(read_output(message, msg_type), message.size_bytes)

    @property
    def is_full(self) -> bool:
        return self._put_bytes - self._taken_bytes > QUEUED_BYTES and not self._left

    async def room(self) -> None:
        self._waiting = _Waiting(asyncio.get_running_loop(), asyncio.Event())
        try:
            while self.is_full:
                await self._waiting.taken.wait()
                self._waiting.taken.clear()
        finally:
            self._waiting = None

    # --- on the notebook's thread ---

    def next(self, timeout_s: float | None = None) -> Event:
        """The next event; raises `TimeoutError` after `timeout_s`. After a KeyboardInterrupt it is called again."""
        try:
            event, size_bytes = self._events.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None
        self._taken_bytes += size_bytes
        self._tell_taken()
        return event

    def leave(self) -> None:
        """No event will be taken any more, and none is kept. May be called twice."""
        self._left = True
        self._tell_taken()

    def _tell_taken(self) -> None:
        waiting = self._waiting
        if waiting is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                waiting.loop.call_soon_threadsafe(waiting.taken.set)

    def interrupt(self) -> None:
        """Interrupts the far cell, or withdraws it while it waits for its container. Events go on until `Ended`."""
        self._interrupt()

    def answer(self, request: InputRequest, value: str) -> None:
        header = new_header(self.source.header.get("session"), "input_reply")
        self._answer(encode("stdin", header, request.header, content={"value": value}))
