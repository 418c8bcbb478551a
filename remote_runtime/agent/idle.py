"""Whether a container is idle: decided from what runs in it, on its own clock; pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from ..api import IdleReport, Signal

BUSY_CPU = 0.05
"""Cores that the kernel's processes may burn on average and still count as quiet (an idle ipykernel burns 0.003)."""
BUSY_GPU = 0.05
"""GPU utilisation above which a device counts as busy."""
WARNING_S = 60.0
"""The countdown between the warning and the stop; shorter when the idle time itself is shorter."""
INPUT_PATIENCE_S = 1800.0
"""A cell that waits at ``input()`` counts as idle after this."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What runs at the moment `at` (seconds on the monotonic clock). `cpu` is in cores since the sample before."""

    at: float
    cells_running: int
    waits_for_input: bool = False
    cpu: float = 0.0
    gpu: float = 0.0
    transfers: int = 0


class Action(Enum):
    """What the agent is to do after a sample."""

    NONE = "none"
    WARN = "warn"
    STOP = "stop"
    EXPIRE = "expire"


@dataclass(slots=True)
class IdleJudge:
    """Fed with samples, says when to warn and when to stop. Cells' beginnings and ends are fed as samples too.

    `busy_cap_s` bounds how long a session may be busy without a pause: then it is `EXPIRE`.
    """

    idle_s: float
    busy_cap_s: float
    started_at: float
    _quiet_since: dict[str, float] = field(default_factory=dict)
    _busy_since: float | None = None
    _input_since: float | None = None
    _keep_until: float = float("-inf")
    _warned_at: float | None = None
    report: IdleReport = field(default_factory=IdleReport)

    @property
    def warning_s(self) -> float:
        return min(WARNING_S, self.idle_s)

    def keep(self, seconds: float, now: float) -> None:
        """No stop and no warning before `seconds` from now; 0 takes it back."""
        self._keep_until = now + seconds
        self._warned_at = None

    def observe(self, sample: Sample) -> Action:
        signals = self._signals(sample)
        busy = any(signal.busy for signal in signals)
        self._busy_since = (sample.at if self._busy_since is None else self._busy_since) if busy else None
        if busy or sample.at < self._keep_until:
            self._warned_at = None
            self.report = IdleReport(signals=signals)
            return Action.EXPIRE if self._is_past_cap(sample.at) else Action.NONE
        return self._count_down(sample.at, signals)

    def _is_past_cap(self, now: float) -> bool:
        return self._busy_since is not None and now - self._busy_since >= self.busy_cap_s

    def _count_down(self, now: float, signals: tuple[Signal, ...]) -> Action:
        quiet_s = min(signal.quiet_s for signal in signals)
        idle_s = min(quiet_s, now - max(self._keep_until, self.started_at))
        if idle_s < self.idle_s:  # it is longer than when the warning was given
            self._warned_at = None
        warned_before = self._warned_at is not None
        if idle_s >= self.idle_s and not warned_before:
            self._warned_at = now
        left = (
            self._warned_at + self.warning_s
            if self._warned_at is not None
            else now + self.idle_s - idle_s + self.warning_s
        ) - now
        self.report = IdleReport(
            idle_s=idle_s, stops_in_s=max(0.0, left), warned=self._warned_at is not None, signals=signals
        )
        if left <= 0:
            return Action.STOP
        return Action.WARN if self._warned_at is not None and not warned_before else Action.NONE

    def name_unsaved(self, names: tuple[str, ...]) -> None:
        """Puts into the report what a stop would lose."""
        self.report = replace(self.report, unsaved=names)

    def _signals(self, sample: Sample) -> tuple[Signal, ...]:
        cell_busy, cell_value = self._judge_cells(sample)
        readings = (
            ("cell", cell_busy, cell_value),
            ("cpu", sample.cpu >= BUSY_CPU, f"{sample.cpu:.2f} cores"),
            ("gpu", sample.gpu >= BUSY_GPU, f"{sample.gpu:.0%}"),
            ("transfers", sample.transfers > 0, str(sample.transfers)),
        )
        return tuple(self._signal(name, value, sample.at, busy=busy) for name, busy, value in readings)

    def _signal(self, name: str, value: str, now: float, *, busy: bool) -> Signal:
        if busy:
            self._quiet_since[name] = now
        quiet_since = self._quiet_since.setdefault(name, self.started_at)
        return Signal(name, busy, value, now - quiet_since)

    def _judge_cells(self, sample: Sample) -> tuple[bool, str]:
        waits = sample.cells_running > 0 and sample.waits_for_input
        self._input_since = (sample.at if self._input_since is None else self._input_since) if waits else None
        if self._input_since is None:
            return sample.cells_running > 0, f"{sample.cells_running} running"
        waited_s = sample.at - self._input_since
        return waited_s < INPUT_PATIENCE_S, f"waits for input since {waited_s:.0f} s"
