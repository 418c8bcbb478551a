"""A far cell's way through the notebook: its events become output, questions, an exception, a line with its cost."""

from __future__ import annotations

import builtins
import getpass
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from farcell.remote_runtime.client.cell import (
    Away,
    AwayOutput,
    Began,
    CellRun,
    Ended,
    Event,
    InputRequest,
    LinkDown,
    LinkUp,
    Progress,
)
from farcell.remote_runtime.client.output import Output
from farcell.remote_runtime.errors import CellTimeout

from .display import NoteLine, is_captured, show_missed, show_output
from .far_comms import COMM_TYPES
from .sentences import (
    INTERRUPT_PATIENCE_S,
    LINK_BROKE,
    PROGRESS_AFTER_S,
    away_line,
    cost_line,
    link_back_line,
    progress_line,
)

TICK_S = 0.2


class FarError(Exception):
    """An exception of a far cell. Each has a class of its own, named as the far exception's, and the far traceback."""

    def __init__(self, value: str, traceback: list[str]) -> None:
        super().__init__(value)
        self.far_traceback = traceback

    def _render_traceback_(self) -> list[str]:
        return self.far_traceback


class CellInterrupted(KeyboardInterrupt):
    """The user's interrupt is done with; anything else that is a KeyboardInterrupt still has to reach the far cell."""

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {self}"]


class LinkLine:
    """Tells that the way to the gateway is broken, once that has lasted for more than a moment."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._line: NoteLine | None = None
        self._down_since: float | None = None

    def changed(self, *, up: bool) -> None:
        if up:
            self._came_back()
        elif self._down_since is None:
            self._down_since = time.monotonic()

    def keep_time(self, now: float) -> None:
        if self._down_since is not None and self._line is None and now - self._down_since > PROGRESS_AFTER_S:
            self._line = NoteLine(self._shell)
            self._line.write(LINK_BROKE)

    def _came_back(self) -> None:
        if self._line is not None and self._down_since is not None:
            self._line.write(link_back_line(time.monotonic() - self._down_since))
        self._line = self._down_since = None


@dataclass(slots=True)
class FarCell:
    """Drives one `CellRun` from the notebook's main thread.

    `alone` says whether the cell's output is this far cell's alone, so that progress can be cleared away. `line` is
    the line below it, with its time and cost. `hear_comm` gets its comms' messages, in their place among its output.
    """

    shell: InteractiveShell
    run: CellRun
    timeout_s: float | None = None
    quiet: bool = False
    alone: bool = True
    hear_comm: Callable[[Output], None] | None = None
    line: NoteLine = field(init=False)
    _started: float = field(default_factory=time.monotonic)
    _interrupted_at: float | None = None
    _timed_out: bool = False
    _runs_since: float | None = None
    _waiting: Progress | None = None
    _link: LinkLine = field(init=False)
    _error: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.line = NoteLine(self.shell)
        self._link = LinkLine(self.shell)

    def show(self) -> None:
        """Runs to the end; raises what the far cell raised."""
        try:
            ended = self._follow(lambda: False)
        finally:
            self.run.leave()
        assert ended is not None
        self._end(ended)

    def show_beginning(self) -> None:
        """Until the far cell runs, whose further events are left to others; raises why it does not."""
        try:
            ended = self._follow(lambda: self._runs_since is not None)
        except BaseException:
            self.run.leave()
            raise
        if ended is not None:
            self._end(ended)

    def _follow(self, enough: Callable[[], bool]) -> Ended | None:
        progress = NoteLine(self.shell)
        ended: Ended | None = None
        while ended is None and not enough():
            try:
                self._keep_time(progress)
                ended = self._handle(self.run.next(TICK_S), progress)
            except TimeoutError:
                continue
            except CellInterrupted:
                raise
            except KeyboardInterrupt:
                self._interrupt()
        return ended

    def _handle(self, event: Event, progress: NoteLine) -> Ended | None:
        match event:
            case Progress():
                self._waiting = event
            case Began(anew=anew):
                self._runs_since = time.monotonic()
                self._remove(progress)
                if anew is not None:
                    NoteLine(self.shell).write(anew)
            case Away(missed=missed):
                self._remove(progress)
                self.alone = False  # what is told now must not be cleared away with a progress line
                NoteLine(self.shell).write(away_line(missed))
            case AwayOutput(output=output):
                show_missed(self.shell, output)
            case LinkDown() | LinkUp():
                self._link.changed(up=isinstance(event, LinkUp))
            case Output():
                self._show_output(event)
            case InputRequest():
                self._ask(event)
            case Ended():
                self._remove(progress)
                return event
        return None

    def _show_output(self, output: Output) -> None:
        if output.msg_type == "error":
            self._error = output.content  # it is raised at the end, and shown then
        elif output.msg_type in COMM_TYPES and self.hear_comm is not None:
            self.hear_comm(output)
        else:
            show_output(self.shell, output)

    def _keep_time(self, progress: NoteLine) -> None:
        """Between events: progress, the cell's timeout, and the end of patience after an interrupt."""
        now = time.monotonic()
        self._link.keep_time(now)
        if self._waiting and not self.run.begun and now - self._started > PROGRESS_AFTER_S:
            self._tell(self._waiting, progress)
        if self._is_late(now) and not self._timed_out:
            self._timed_out = True
            self._interrupt()
        if self._interrupted_at is not None and now - self._interrupted_at > INTERRUPT_PATIENCE_S:
            raise CellInterrupted("the far cell is still inside native code: %gpu restart ends it")

    def _is_late(self, now: float) -> bool:
        """The cell's time begins when it does, not while it waits for a device."""
        since, timeout_s = self._runs_since, self.timeout_s
        return since is not None and timeout_s is not None and now - since > timeout_s

    def _tell(self, waiting: Progress, progress: NoteLine) -> None:
        if not is_captured(self.shell):
            progress.write(progress_line(waiting.session))

    def _interrupt(self) -> None:
        if self._interrupted_at is None:
            self._interrupted_at = time.monotonic()
        self.run.interrupt()

    def _remove(self, progress: NoteLine) -> None:
        if self.alone:
            progress.remove()
        else:
            progress.blank()

    def _ask(self, request: InputRequest) -> None:
        """Asks here; who gives no answer interrupts the far cell."""
        try:
            value = getpass.getpass(request.prompt) if request.password else builtins.input(request.prompt)
        except EOFError:
            self._interrupt()
        else:
            self.run.answer(request, value)

    def _end(self, ended: Ended) -> None:
        if ended.error is not None:
            if self._interrupted_at is not None and not self.run.begun:
                raise CellInterrupted("the cell was withdrawn before it began")
            raise ended.error
        if not self.quiet:
            self.line.write(cost_line(ended))
        if self._timed_out:
            raise timed_out("cell", self.timeout_s)
        if ended.reply is not None and ended.reply.get("status") == "error":
            raise far_error(self._error or ended.reply)


def far_error(error: dict[str, Any]) -> FarError:
    """Of an ``error`` message, or of a reply that tells of one."""
    far_class: type[FarError] = type(str(error.get("ename", "Error")), (FarError,), {"__module__": "far"})
    return far_class(str(error.get("evalue", "")), [str(line) for line in error.get("traceback", [])])


def timed_out(what: str, timeout_s: float | None) -> CellTimeout:
    return CellTimeout(f"the {what} ran longer than its --timeout of {timeout_s:g} s and was interrupted")
