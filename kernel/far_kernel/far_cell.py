"""One cell of the Farcell kernel on its way: the far kernel's messages go on to the front end as they come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from farcell.remote_runtime.client.cell import (
    Away,
    AwayOutput,
    Began,
    Ended,
    Event,
    LinkDown,
    LinkUp,
    Progress,
    RunningCell,
)
from farcell.remote_runtime.client.output import Output, as_another_cells
from farcell.remote_runtime.errors import FarcellError
from farcell.remote_runtime.wire.messages import KernelMessage, decode, encode

from ..sentences import (
    INTERRUPT_PATIENCE_S,
    LINK_BROKE,
    PROGRESS_AFTER_S,
    away_line,
    link_back_line,
    progress_line,
)
from .front_end import FrontEnd, Note
from .messages import Request

INSIDE_NATIVE_CODE = "still inside native code: %gpu restart"


@dataclass(frozen=True, slots=True)
class RequestSource:
    """The front end's own request, unchanged: its ``msg_id`` is the execute id."""

    request_: Request

    @property
    def execute_id(self) -> str:
        return self.request_.msg_id

    def request(self) -> KernelMessage:
        return self.request_.message


class FarCell(RunningCell):
    """`ended` is called once, when the front end has been told of its end; `failed` says how it was.

    `preface` is a line above its output. `asks`: it waits for the user's answer. `number`: its ``In [n]``, at the end.
    """

    def __init__(self, request: Request, front_end: FrontEnd, ended: Callable[[FarCell], None]) -> None:
        super().__init__(RequestSource(request))
        self.request = request
        self.preface: str | None = None
        self.number: object = None
        self.over = self.failed = False
        self.asks = False
        self._front_end = front_end
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._progress = Note(front_end, request)
        self._waiting: Progress | None = None
        self._link = Note(front_end, request)
        self._link_timer: asyncio.TimerHandle | None = None
        self._broken_since = 0.0
        self._began_at: float | None = None
        self._interrupted = False
        self._replied: str | None = None
        self._timers: list[asyncio.TimerHandle] = [
            self._loop.call_later(PROGRESS_AFTER_S, self._tell_progress)
        ]

    # --- the far kernel's messages ---

    def hear(self, message: KernelMessage, header: dict[str, Any]) -> None:
        msg_type = str(header.get("msg_type"))
        if self.over and msg_type in ("error", "status", "execute_reply", "execute_input", "input_request"):
            return  # the front end has been told that it is over; what it still puts out is kept
        if msg_type == "execute_reply":
            reply = decode(message.content)
            self._replied, self.number = str(reply.get("status")), reply.get("execution_count")
            message = self._with_facts(message)
        if message.channel == "iopub":
            self._front_end.publish(message, msg_type)
        else:
            self.asks = msg_type == "input_request"
            self._front_end.reply(self.request.idents, message)

    def _with_facts(self, reply: KernelMessage) -> KernelMessage:
        """The reply with the cell's time and cost in its metadata."""
        session = self.session
        lease = session.lease if session else None
        if session is None or lease is None or self._began_at is None:
            return reply
        seconds = time.monotonic() - self._began_at
        facts = {
            "session": session.name,
            "gpu": session.label,
            "seconds": round(seconds, 6),
            "cost_nanos": Ended(None, None, session, seconds).cost_nanos,
            "simulated": lease.simulated,
        }
        metadata = encode("shell", {}, metadata=decode(reply.metadata) | {"farcell": facts}).metadata
        return KernelMessage(
            reply.channel, reply.header, reply.parent_header, metadata, reply.content, reply.buffers
        )

    # --- what happens to it ---

    def put(self, event: Event) -> None:
        super().put(event)
        match event:
            case Progress():
                self._waiting = event
                if self._loop.time() >= self._timers[0].when():
                    self._tell_progress()
            case Began(anew=anew):
                self._begin(anew)
            case Away(missed=missed):
                self._progress.remove()
                Note(self._front_end, self.request).write(away_line(missed))
            case AwayOutput(output=output):
                self._front_end.show(self.request, as_another_cells(output))
            case Output():
                self._front_end.show(self.request, event)
            case LinkDown():
                self._link_broke()
            case LinkUp():
                self._link_came_back()
            case Ended(error=error):
                self._end(error)

    def _begin(self, anew: str | None) -> None:
        self._began_at = time.monotonic()
        self._progress.remove()
        for line in filter(None, (self.preface, anew)):
            Note(self._front_end, self.request).write(line)

    def _tell_progress(self) -> None:
        if self.begun or self.over or self._waiting is None:
            return
        if self._waiting.session.state.is_on_the_way:
            self._progress.write(progress_line(self._waiting.session))

    def _link_broke(self) -> None:
        if self._link_timer is None:
            self._broken_since = time.monotonic()
            self._link = Note(self._front_end, self.request)
            self._link_timer = self._loop.call_later(PROGRESS_AFTER_S, self._link.write, LINK_BROKE)

    def _link_came_back(self) -> None:
        if self._link_timer is not None:
            self._link_timer.cancel()
            self._link_timer = None
            if self._link.shown:
                self._link.write(link_back_line(time.monotonic() - self._broken_since))

    # --- its end ---

    def interrupted(self) -> None:
        """What does not stop within the patience is told to be over, while it goes on there."""
        if not self._interrupted:
            self._interrupted = True
            self._timers.append(self._loop.call_later(INTERRUPT_PATIENCE_S, self._give_up))

    def _give_up(self) -> None:
        if not self.over:
            self._fail("KeyboardInterrupt", INSIDE_NATIVE_CODE)

    def _end(self, error: FarcellError | None) -> None:
        if self.over:
            return
        if error is None:
            self._close(failed=self._replied != "ok")
        elif self._interrupted and not self.begun:
            self._fail("KeyboardInterrupt", "the cell was withdrawn before it began")
        else:
            self.fail(error)

    def fail(self, error: FarcellError) -> None:
        self._fail(type(error).__name__, error.message)

    def _fail(self, name: str, value: str) -> None:
        """Ends it here, in the far kernel's place."""
        self._progress.remove()
        if not self.begun:
            self._front_end.status(self.request, "busy")
        error = {"ename": name, "evalue": value, "traceback": [f"{name}: {value}"]}
        self._front_end.say(self.request, "error", error)
        if self._replied is None:
            reply: dict[str, Any] = {
                "status": "error",
                "execution_count": None,
                **error,
                "user_expressions": {},
                "payload": [],
            }
            self._front_end.answer(self.request, reply)
        self._front_end.status(self.request, "idle")
        self._close(failed=True)

    def _close(self, *, failed: bool) -> None:
        self.over, self.failed = True, failed
        for timer in filter(None, (*self._timers, self._link_timer)):
            timer.cancel()
        self._ended(self)
