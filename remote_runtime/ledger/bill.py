"""Bills: a lease's charges divided among its cells and its idle time, to the nano-dollar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from ..api import Bill, BillLine, CellRecord, Lease, Nanos


@dataclass(frozen=True, slots=True)
class BilledLease:
    """A lease as its session and the book know it.

    `charged_nanos` is the sum of its entries; `charged_ms` the newest entry's `attested_ms`, 0 without one.
    `cells` are those that ran in it, in any order.
    """

    lease: Lease
    session: str
    path: str
    charged_nanos: Nanos
    charged_ms: int
    cells: tuple[CellRecord, ...] = ()


def make_bill(leases: Iterable[BilledLease]) -> Bill:
    """The bill of some leases; its lines add up to what was charged, exactly.

    Cells that run at the same time share that time's cost equally. Time after the last attestation is not
    charged: a cell that ran only then costs nothing, one that still runs is billed up to there. A lease
    without idle time has no idle line, unless it alone can bear the cost.
    """
    lines = tuple(line for billed in leases for line in _lines(billed))
    return Bill(lines, _total(lines, simulated=False), _total(lines, simulated=True))


@dataclass(frozen=True, slots=True)
class _Span:
    """A stretch of charged time, in ms since the kernel was ready; ``end >= start``."""

    start: int
    end: int

    @property
    def duration_ms(self) -> int:
        return self.end - self.start


def _lines(billed: BilledLease) -> list[BillLine]:
    cells = sorted(billed.cells, key=lambda cell: (cell.started_ms, cell.execute_id))
    spans = [_charged_span(cell, billed.charged_ms) for cell in cells]
    idle_ms, shares = _shares(spans, billed.charged_ms)
    *costs, idle_cost = _divide(billed.charged_nanos, [*shares, Fraction(idle_ms)])
    lines = [_cell_line(billed, *parts) for parts in zip(cells, spans, costs, strict=True)]
    if idle_ms or idle_cost:
        lines.append(_line(billed, idle_ms, idle_cost))
    return lines


def _charged_span(cell: CellRecord, charged_ms: int) -> _Span:
    start = min(max(cell.started_ms, 0), charged_ms)
    end = charged_ms if cell.ended_ms is None else min(cell.ended_ms, charged_ms)
    return _Span(start, max(start, end))


def _shares(spans: Sequence[_Span], charged_ms: int) -> tuple[int, list[Fraction]]:
    """Idle milliseconds, and each span's share in ms: between two edges, all that run share equally.

    `one` is what a single span would have got from the start until each edge; a share is a difference of two.
    """
    edges = sorted({0, charged_ms, *(span.start for span in spans), *(span.end for span in spans)})
    starts, ends = Counter(span.start for span in spans), Counter(span.end for span in spans)
    one = {0: Fraction(0)}
    running = idle_ms = 0
    for edge, following in pairwise(edges):
        running += starts[edge] - ends[edge]
        one[following] = one[edge] + (Fraction(following - edge, running) if running else 0)
        idle_ms += 0 if running else following - edge
    return idle_ms, [one[span.end] - one[span.start] for span in spans]


def _divide(nanos: int, shares: Sequence[Fraction]) -> list[Nanos]:
    """`nanos` in proportion to the shares, by largest remainder, so that the parts add up exactly.

    Where all shares are nothing the last bears all.
    """
    if not any(shares):
        return [*[Nanos(0)] * (len(shares) - 1), Nanos(nanos)]
    rate = nanos / sum(shares, Fraction(0))
    exact = [rate * share for share in shares]
    parts = [int(part) for part in exact]
    by_remainder = sorted(range(len(parts)), key=lambda i: exact[i] - parts[i], reverse=True)
    for i in by_remainder[: nanos - sum(parts)]:
        parts[i] += 1
    return [Nanos(part) for part in parts]


def _cell_line(billed: BilledLease, cell: CellRecord, span: _Span, cost: Nanos) -> BillLine:
    return replace(
        _line(billed, span.duration_ms, cost),
        execute_id=cell.execute_id,
        number=cell.number,
        status=cell.status,
        peak_gpu_memory_bytes=cell.peak_gpu_memory_bytes,
        peak_gpu_utilisation=cell.peak_gpu_utilisation,
    )


def _line(billed: BilledLease, duration_ms: int, cost: Nanos) -> BillLine:
    lease = billed.lease
    return BillLine(
        session=billed.session,
        path=billed.path,
        lease_id=lease.id,
        label=lease.label,
        simulated=lease.simulated,
        duration_ms=duration_ms,
        cost_nanos=cost,
    )


def _total(lines: Iterable[BillLine], *, simulated: bool) -> Nanos:
    return Nanos(sum(line.cost_nanos for line in lines if line.simulated == simulated))
