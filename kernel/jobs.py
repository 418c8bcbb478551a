"""The notebook's jobs: far cells that run on while the next ones run."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from threading import Event, Thread

from IPython.core.interactiveshell import InteractiveShell

from farcell.remote_runtime.client.cell import Away, AwayOutput, CellRun, Ended
from farcell.remote_runtime.client.endings import format_duration
from farcell.remote_runtime.client.output import Output
from farcell.remote_runtime.errors import BadRequest, OutcomeUnknown, TakenOver

from .display import LateLine, NoteLine, is_captured, show_missed
from .far_cell import TICK_S, CellInterrupted, far_error, timed_out
from .far_comms import COMM_TYPES
from .front_end import FrontEnd, Header
from .reports import JobReport
from .sentences import INTERRUPT_PATIENCE_S, PROGRESS_AFTER_S, away_line, job_line

_log = logging.getLogger(__name__)

RETELL_SHARE = 60
"""A line's time is told again when it has grown by a 60th, and by a second at least."""


class JobState(Enum):
    RUNS = "runs"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "was cancelled"
    TIMED_OUT = "timed out"
    ELSEWHERE = "goes on elsewhere"
    UNKNOWN = "has an unknown outcome"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job's output goes: below its cell's request, or, where nobody looks there any more, to who waits."""

    front_end: FrontEnd
    request: Header
    hear_comm: Callable[[Output], None]
    late: bool

    def line(self, shell: InteractiveShell) -> NoteLine:
        return LateLine(shell, self.front_end, self.request) if self.late else NoteLine(shell)


@dataclass(slots=True)
class Job:
    """One that has begun; `follow` is its own thread. `ended` is called there when it has an end of its own."""

    number: int
    run: CellRun
    place: Place
    line: NoteLine
    timeout_s: float | None
    ended: Callable[[Job], None]
    over: Event = field(default_factory=Event)
    waited_for: bool = False
    cancelled: bool = False
    _kept: deque[Output] = field(default_factory=deque)
    _end: Ended | None = None
    _error: Output | None = None
    _timed_out: bool = False
    _began: float = field(default_factory=time.monotonic)
    _told_s: float = 0.0

    # --- what it is ---

    @property
    def state(self) -> JobState:
        if self._end is None:
            return JobState.RUNS
        if isinstance(self._end.error, TakenOver):
            return JobState.ELSEWHERE
        if isinstance(self._end.error, OutcomeUnknown):
            return JobState.UNKNOWN
        if self._end.error is None and self._end.reply is not None and self._end.reply.get("status") == "ok":
            return JobState.DONE
        if self._timed_out:
            return JobState.TIMED_OUT
        return JobState.CANCELLED if self.cancelled else JobState.FAILED

    @property
    def so_far(self) -> Ended:
        """Its end, or what that would be now."""
        return self._end or Ended(None, None, self.run.session, time.monotonic() - self._began)

    def report(self) -> JobReport:
        source = self.run.source
        return JobReport(self.number, self.state.value, source.number, self.so_far, source.code)

    def sentence(self) -> str:
        state, error = self.state, self.error()
        why = f": {_in_short(error)}" if error and state is JobState.FAILED else ""
        return job_line(self.number, f"{state.value}{why}", self.so_far)

    def error(self) -> Exception | None:
        """What it has raised, or why it has no end of its own."""
        if self._end is None or self.state is JobState.DONE:
            return None
        if self._end.error is not None:
            return self._end.error
        if self._timed_out:
            return timed_out("job", self.timeout_s)
        return far_error(self._error.content if self._error else self._end.reply or {})

    # --- its way ---

    def follow(self) -> None:
        while not self.over.is_set():
            try:
                self._keep_time()
                self._handle(self.run.next(TICK_S))
            except TimeoutError:
                continue
            except Exception:  # noqa: BLE001 (this thread's outermost level)
                _log.exception("an output of job %s could not be shown", self.number)

    def _handle(self, event: object) -> None:
        match event:
            case Away(missed=missed):
                self._show(Output("stream", {"name": "stdout", "text": f"{away_line(missed)}\n"}))
            case AwayOutput(output=output):
                self._show_missed(output)
            case Output():
                self._show(event)
            case Ended():
                self._end = event
                try:
                    self._tell()
                finally:
                    self.over.set()
                if event.error is None:
                    self.ended(self)

    def _show(self, output: Output) -> None:
        if output.msg_type == "error":
            self._error = output
        elif output.msg_type == "execute_result":  # the far kernel has counted other cells since
            output = replace(output, content={**output.content, "execution_count": self.run.source.number})
        if not self.place.late:
            self._keep(output)
        elif output.msg_type in COMM_TYPES:
            self.place.hear_comm(output)
        else:
            self.place.front_end.publish(output, self.place.request)
            if output.msg_type == "clear_output" and isinstance(self.line, LateLine):
                self.line.again()

    def _keep(self, output: Output) -> None:
        """For who waits; what was cleared need not be shown."""
        if output.msg_type == "clear_output":
            self._kept.clear()
        elif output.msg_type != "error":
            self._kept.append(output)

    def _show_missed(self, output: Output) -> None:
        """Another cell's: the job was the first to come to the session again."""
        if output.msg_type == "error":
            text = "\n".join(map(str, output.content.get("traceback", []))) + "\n"
            self._show(Output("stream", {"name": "stderr", "text": text}))
        else:
            self._show(output)

    def _keep_time(self) -> None:
        seconds = time.monotonic() - self._began
        if self.timeout_s is not None and seconds > self.timeout_s and not self._timed_out:
            self._timed_out = True
            self.run.interrupt()
        if seconds - self._told_s > max(1.0, self._told_s / RETELL_SHARE):
            self._told_s = seconds
            self._tell()

    def _tell(self) -> None:
        if self.place.late:
            self.line.write(self.sentence())

    def cancel(self) -> None:
        self.cancelled = True
        self.run.interrupt()

    # --- for who waits, on the main thread ---

    def show_kept(self, shell: InteractiveShell) -> None:
        """What nobody has seen yet."""
        while self._kept:
            output = self._kept.popleft()
            if output.msg_type in COMM_TYPES:
                self.place.hear_comm(output)
            else:
                show_missed(shell, output)

    def show_error(self, shell: InteractiveShell) -> None:
        if self._error is not None and not self.place.late:
            show_missed(shell, self._error)


def _in_short(error: Exception) -> str:
    first, *more = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first}{' …' if more else ''}"


class NotebookJobs:
    """All that this kernel has begun, by number. To be used from the main thread."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._jobs: list[Job] = []

    def begin(
        self, run: CellRun, place: Place, timeout_s: float | None, ended: Callable[[Job], None]
    ) -> None:
        """Takes over a cell that runs; its events are this job's from now on."""
        job = Job(len(self._jobs) + 1, run, place, place.line(self._shell), timeout_s, ended)
        self._jobs.append(job)
        job.line.write(job.sentence())
        Thread(target=job.follow, name=f"farcell-job-{job.number}", daemon=True).start()

    def reports(self) -> list[JobReport]:
        return [job.report() for job in self._jobs]

    def _find(self, names: Sequence[str]) -> list[Job]:
        """Raises `BadRequest`, which names those that there are."""
        known = {str(job.number): job for job in self._jobs}
        for name in names:
            if name not in known:
                there = f"there are: {', '.join(known)}" if known else "there are none: %%gpu --bg makes one"
                raise BadRequest(f"there is no job {name!r}; {there}")
        return list({name: known[name] for name in names}.values())

    # --- waiting ---

    def wait(self, names: Sequence[str]) -> str | None:
        """For these, or for all that nobody has waited for; raises what the first of them raised that failed.

        Returns what there is to say when there is nothing to wait for.
        """
        jobs = self._find(names) or [job for job in self._jobs if not job.waited_for]
        if not jobs:
            return (
                "no job is left to wait for"
                if self._jobs
                else "no jobs yet: %%gpu --bg makes one of its cell"
            )
        try:
            self._wait(jobs)
        except KeyboardInterrupt:
            going_on = ", ".join(str(job.number) for job in jobs if not job.over.is_set())
            raise CellInterrupted(f"no longer waiting; still running: job {going_on}") from None
        for job in jobs:
            job.waited_for = True
        failed = [job for job in jobs if job.state not in (JobState.DONE, JobState.CANCELLED)]
        for job in failed[1:]:
            job.show_error(self._shell)
        if failed:
            error = failed[0].error()
            assert error is not None
            raise error
        return None

    def _wait(self, jobs: Sequence[Job]) -> None:
        progress = _Progress(self._shell, jobs)
        for job in jobs:
            if not job.place.late:
                self._wait_and_show(job)
            while not job.over.wait(TICK_S):
                progress.keep_time()
        progress.remove()

    def _wait_and_show(self, job: Job) -> None:
        """Its output comes here, below a line that tells of it; the line under its own cell ends the same."""
        here, over = NoteLine(self._shell), False
        while not over:
            over = job.over.wait(TICK_S)
            here.write(job.sentence())
            job.show_kept(self._shell)
        job.line.rewrite(job.sentence())

    # --- ending ---

    def cancel(self, names: Sequence[str]) -> str:
        """Interrupts one job, and waits a moment for its end."""
        if len(names) != 1:
            raise BadRequest("%gpu cancel takes one job's number, as in %gpu cancel 1")
        (job,) = self._find(names)
        if job.over.is_set():
            return f"job {job.number} has ended before"
        job.cancel()
        if job.over.wait(INTERRUPT_PATIENCE_S):
            return job.sentence()
        return (
            f"job {job.number} is told to stop, and still inside native code (a sleep, a call into a library): "
            "it stops when that returns; %gpu restart ends all that runs there"
        )


class _Progress:
    """While one waits for more than a second for what is shown elsewhere: it can be cleared away."""

    def __init__(self, shell: InteractiveShell, jobs: Sequence[Job]) -> None:
        self._line = NoteLine(shell)
        self._silent = is_captured(shell) or not all(job.place.late for job in jobs)
        self._jobs = jobs
        self._since = time.monotonic()

    def keep_time(self) -> None:
        if self._silent or time.monotonic() - self._since < PROGRESS_AFTER_S:
            return
        running = [
            f"job {job.number} ({format_duration(int(job.so_far.duration_s))})"
            for job in self._jobs
            if not job.over.is_set()
        ]
        if running:
            self._line.write(f"waiting for {', '.join(running)}")

    def remove(self) -> None:
        self._line.remove()
