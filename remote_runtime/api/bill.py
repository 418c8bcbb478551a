"""Bills: what cells and idle time cost, adding up to the ledger; made in `ledger.bill`, shown by every client."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .identifiers import ExecuteId, LeaseId
from .money import Nanos, exact_dollars

CSV_COLUMNS = (
    "session",
    "path",
    "lease",
    "device",
    "simulated",
    "cell",
    "execute_id",
    "status",
    "duration_ms",
    "cost_nanos",
    "cost_dollars",
    "peak_gpu_memory_bytes",
    "peak_gpu_utilisation",
)


@dataclass(frozen=True, slots=True)
class BillLine:
    """One cell, or (with `execute_id` None) the idle time of one lease.

    `duration_ms` is how long it ran within the time that is charged; where cells overlap each has its own whole
    duration, but its share of the cost. `number` is the cell's ``In [n]``; `status` is None while it runs.
    """

    session: str
    path: str
    lease_id: LeaseId
    label: str
    simulated: bool
    duration_ms: int
    cost_nanos: Nanos
    execute_id: ExecuteId | None = None
    number: int | None = None
    status: str | None = None
    peak_gpu_memory_bytes: int = 0
    peak_gpu_utilisation: float = 0.0

    @property
    def is_idle(self) -> bool:
        return self.execute_id is None


@dataclass(frozen=True, slots=True)
class Bill:
    """Lines by lease as given, in each the cells by their start and then the idle time.

    The lines of real devices add up to `total_nanos`, those of simulated ones to `simulated_nanos`.
    """

    lines: tuple[BillLine, ...]
    total_nanos: Nanos
    simulated_nanos: Nanos


def csv_rows(bill: Bill) -> Iterator[tuple[str | int | float, ...]]:
    """One row a line under `CSV_COLUMNS`; no number or id is an empty text."""
    for line in bill.lines:
        yield (
            line.session,
            line.path,
            line.lease_id,
            line.label,
            str(line.simulated).lower(),
            "" if line.number is None else line.number,
            line.execute_id or "",
            line.status or ("idle" if line.is_idle else "running"),
            line.duration_ms,
            line.cost_nanos,
            exact_dollars(line.cost_nanos),
            line.peak_gpu_memory_bytes,
            line.peak_gpu_utilisation,
        )
