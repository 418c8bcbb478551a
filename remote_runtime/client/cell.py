"""A cell on its way: what goes out, and the events that come back."""

from __future__ import annotations

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
    """What the session's cells did since the notebook last showed their output; it comes before the cell's own."""

    missed: Missed


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


Event = Progress | Away | Began | LinkDown | LinkUp | Output | InputRequest | Ended


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

    def hear(self, message: KernelMessage, header: dict[str, Any]) -> None:
        """Each of its messages, in order, before what the message means for the cell is put."""
        raise NotImplementedError


class CellRun(RunningCell):
    """The blocking side of a running cell: iterate over its events, from any one thread; the last is `Ended`."""

    source: CellSource

    def __init__(
        self, source: CellSource, interrupt: Callable[[], None], answer: Callable[[KernelMessage], None]
    ) -> None:
        super().__init__(source)
        self._interrupt = interrupt
        self._answer = answer
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()

    @property
    def in_background(self) -> bool:
        return self.source.in_background

    def runs_on(self, subshell_id: str) -> None:
        self.source = replace(self.source, header={**self.source.header, "subshell_id": subshell_id})

    def put(self, event: Event) -> None:
        super().put(event)
        self._events.put(event)

    def hear(self, message: KernelMessage, header: dict[str, Any]) -> None:
        msg_type = str(header.get("msg_type"))
        if message.channel == "stdin":
            content = decode(message.content)
            self.put(InputRequest(str(content.get("prompt", "")), bool(content.get("password")), header))
        elif message.channel == "iopub" and msg_type not in ("status", "execute_input"):
            self.put(read_output(message, msg_type))

    def next(self, timeout_s: float | None = None) -> Event:
        """The next event; raises `TimeoutError` after `timeout_s`. After a KeyboardInterrupt it is called again."""
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None

    def interrupt(self) -> None:
        """Interrupts the far cell, or withdraws it while it waits for its container. Events go on until `Ended`."""
        self._interrupt()

    def answer(self, request: InputRequest, value: str) -> None:
        header = new_header(self.source.header.get("session"), "input_reply")
        self._answer(encode("stdin", header, request.header, content={"value": value}))
