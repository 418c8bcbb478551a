"""Watches what runs: samples it, judges idleness, reports both, and says when it is time to end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from ..api import EndReason
from ..wire import control
from .activity import Activity, ActivityMeter
from .cells import CellTracker
from .idle import Action, IdleJudge, Sample
from .kernel_keeper import KernelKeeper

USAGE_EVERY_S = 5.0
SAMPLE_EVERY_S = 1.0
SETTLES_S = 0.05
"""How long after a change the next look waits: a short cell's beginning and end are reported together."""


class Reports(Protocol):
    """Where reports go. Nothing is queued for a gateway that is away: the next report says the same, and more."""

    @property
    def connected(self) -> bool: ...

    def tell(self, message: control.Control) -> None: ...


class Watch:
    """Over one lease. `uptime_ms` is the lease's own clock; `end` is called once there is a reason."""

    def __init__(
        self,
        kernel: KernelKeeper,
        cells: CellTracker,
        meter: ActivityMeter,
        reports: Reports,
        lease_end_s: float,
    ) -> None:
        self.unsaved: tuple[str, ...] = ()
        """The variables that the newest warning named."""
        self._kernel = kernel
        self._cells = cells
        self._meter = meter
        self._reports = reports
        self._judge = IdleJudge(idle_s=300.0, busy_cap_s=86_400.0, started_at=time.monotonic())
        self._activity = Activity(0.0, 0, ())
        self._sampled_at = float("-inf")
        self._lease_end = time.monotonic() + lease_end_s
        self._ready_at: float | None = None
        self._named = False
        self._again = asyncio.Event()

    # --- the lease's clock ---

    def begin(self) -> None:
        """The kernel is ready: the clock starts, the first time."""
        if self._ready_at is None:
            self._ready_at = time.monotonic()

    def uptime_ms(self) -> int:
        """Milliseconds since the lease's first kernel was ready, on the monotonic clock."""
        return 0 if self._ready_at is None else int((time.monotonic() - self._ready_at) * 1000)

    def move_lease_end(self, in_s: float) -> None:
        self._lease_end = time.monotonic() + in_s

    # --- what changes the judgement ---

    def set_limits(self, idle_s: float, busy_cap_s: float) -> None:
        self._judge.idle_s, self._judge.busy_cap_s = idle_s, busy_cap_s
        self._again.set()

    def keep(self, seconds: float) -> None:
        self._judge.keep(seconds, time.monotonic())
        self._again.set()

    def cell_changed(self, cell: control.Cell) -> None:
        """A cell began or ended. Nothing is measured now: the cell's own messages wait behind this."""
        self._reports.tell(cell)
        self._fold_use()
        self._observe()
        self._again.set()

    # --- the work ---

    async def judge(self) -> EndReason:
        """Returns when the lease has to end, with the reason."""
        while True:
            self._sample()
            action = self._observe()
            await self._name_unsaved()
            self._report()
            if action is Action.STOP:
                return EndReason.IDLE
            if action is Action.EXPIRE or time.monotonic() >= self._lease_end:
                return EndReason.EXPIRED
            await _within(self._sample_every_s, self._again.wait)
            if self._again.is_set():
                await asyncio.sleep(min(SETTLES_S, self._sample_every_s))
                self._again.clear()

    async def _name_unsaved(self) -> None:
        """Asked for once, when the warning is out, whichever look has given it."""
        if self._judge.report.warned and not self._named:
            self.unsaved = await self._kernel.variables()
        self._named = self._judge.report.warned
        self._judge.name_unsaved(self.unsaved if self._named else ())

    async def attest_regularly(self) -> None:
        while True:
            self.attest()
            await asyncio.sleep(USAGE_EVERY_S)

    def attest(self) -> None:
        if self._ready_at is not None and self._reports.connected:
            activity = self._activity
            usage = control.Usage(self.uptime_ms(), activity.cpu, activity.memory_bytes, activity.gpus)
            self._reports.tell(usage)

    def _report(self) -> None:
        if self._reports.connected:
            self._reports.tell(control.Status(self._cells.running > 0, self._judge.report))

    @property
    def _sample_every_s(self) -> float:
        return min(SAMPLE_EVERY_S, max(SETTLES_S, self._judge.idle_s / 10))

    def _sample(self) -> None:
        """Measures, unless that was done just now (timers are a little early at times)."""
        if time.monotonic() - self._sampled_at >= 0.9 * self._sample_every_s:
            self._activity = self._meter.sample(self._kernel.pid)
            self._sampled_at = time.monotonic()
            self._fold_use()

    def _fold_use(self) -> None:
        activity = self._activity
        self._cells.observe_use(activity.memory_bytes, activity.gpu_memory_bytes, activity.gpu_utilisation)

    def _observe(self) -> Action:
        return self._judge.observe(
            Sample(
                at=time.monotonic(),
                cells_running=self._cells.running if self._kernel.answers else 1,
                waits_for_input=self._cells.waits_for_input,
                cpu=self._activity.cpu,
                gpu=self._activity.gpu_utilisation,
            )
        )


async def _within(seconds: float, wait: Callable[[], Awaitable[object]]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wait()
