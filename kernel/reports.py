"""What ``%gpu offers``, ``sessions``, ``status`` and ``bill`` show; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from farcell.remote_runtime.api import GIB, Bill, BillLine, Offer, SavedImage, Session, format_dollars
from farcell.remote_runtime.client.cell import Ended
from farcell.remote_runtime.client.endings import format_duration

from .sentences import money
from .tables import Table


def offers_table(offers: Sequence[Offer]) -> Table:
    has_mounts = any(offer.mounts for offer in offers)
    rows = [
        (
            offer.label,
            f"{offer.count_free} of {offer.count_total}",
            f"{offer.memory_bytes // GIB} GiB",
            f"{format_dollars(offer.price_nanos_per_s)}/s",
            f"{format_dollars(offer.price_nanos_per_s * 3600)}/h",
            offer.spawner,
            offer.isolations_told,
            *((", ".join(offer.mounts),) if has_mounts else ()),
        )
        for offer in offers
    ]
    mounts = ("folders",) if has_mounts else ()
    columns = ("offer", "free", "memory", "price", "", "spawner", "isolation", *mounts)
    return Table(columns, rows, empty="this gateway offers nothing at the moment")


def sessions_table(sessions: Iterable[Session], *, with_path: bool) -> Table:
    sessions = list(sessions)
    has_walls = any(session.walls.told for session in sessions)
    rows = [
        (
            *_session_row(session),
            *((session.walls.told,) if has_walls else ()),
            *((session.key.path,) if with_path else ()),
        )
        for session in sessions
    ]
    walls = ("walls",) if has_walls else ()
    columns = ("session", "state", "on", "cost", "idle stop", *walls, *(("notebook",) if with_path else ()))
    return Table(columns, rows, empty="no sessions yet: write %%gpu with a GPU on top of a cell")


def _session_row(session: Session) -> tuple[str, ...]:
    lease = session.lease
    return (
        session.name,
        session.state.value if session.queue is None else f"queued, place {session.queue.place}",
        session.label,
        money(session.cost_nanos, simulated=bool(lease and lease.simulated)),
        _idle(session),
    )


def _idle(session: Session) -> str:
    """When it stops by itself, or why it does not."""
    idle = session.idle
    if idle is None:
        return ""
    if idle.stops_in_s is None:
        busy = ", ".join(f"{signal.name} {signal.value}" for signal in idle.signals if signal.busy)
        return f"not while busy ({busy})" if busy else "postponed"
    return f"in {format_duration(round(idle.stops_in_s))}, idle for {format_duration(round(idle.idle_s))}"


def signals_line(session: Session) -> str:
    """Each idle signal with its clock: ``h100: cell quiet for 12 s, cpu busy (0.57 cores)``; empty without any."""
    signals = session.idle.signals if session.idle else ()
    said = [
        f"{signal.name} busy ({signal.value})"
        if signal.busy
        else f"{signal.name} quiet for {format_duration(round(signal.quiet_s))}"
        for signal in signals
    ]
    return f"{session.name}: {', '.join(said)}" if said else ""


def bill_table(bill: Bill, path: str) -> Table:
    """The notebook's own lines, adding up to the nano-dollar; below, what all notebooks come to."""
    lines = [line for line in bill.lines if line.path == path]
    rows = [
        (
            line.session,
            line.label,
            "idle" if line.is_idle else f"cell [{line.number}]" if line.number is not None else "cell",
            line.status or "",
            format_duration(line.duration_ms / 1000),
            money(line.cost_nanos, simulated=line.simulated),
        )
        for line in lines
    ]
    columns = ("session", "on", "what", "status", "time", "cost")
    return Table(columns, rows, _footer(lines, bill), empty="this notebook has cost nothing yet")


def images_table(images: Iterable[SavedImage]) -> Table:
    rows = [(one.name, repr(one.image), f"{one.saved_at:%Y-%m-%d %H:%M} UTC") for one in images]
    return Table(("image", "definition", "saved"), rows, empty="no images yet: %gpu image save keeps one")


def image_lines(session: Session) -> str:
    """What a session's containers are started with, and what was installed by hand since."""
    lines = [f"{session.name}: {replace(session.image, python=None)!r}"]
    if session.installed:
        lines += ["installed since:", *(f"    {one}" for one in session.installed)]
        lines.append("%gpu image save keeps this as an image")
    return "\n".join(lines)


def saved_lines(session: Session, saved: SavedImage) -> str:
    return (
        f"kept as {saved.name}, for the next start of {session.name} and for %%gpu --image {saved.name}:\n"
        f"{saved.image!r}"
    )


@dataclass(frozen=True, slots=True)
class JobReport:
    """A row of ``%gpu jobs``; `cell` is its ``In [n]``, `so_far` its time and cost, if these are known."""

    number: int
    state: str
    cell: int | None
    so_far: Ended
    code: str


def jobs_table(jobs: Iterable[JobReport]) -> Table:
    columns = ("job", "state", "cell", "session", "on", "time", "cost", "first line")
    rows = [_job_row(job) for job in jobs]
    return Table(columns, rows, empty="no jobs yet: %%gpu --bg makes one of its cell")


def _job_row(job: JobReport) -> tuple[str, ...]:
    session, known = job.so_far.session, job.so_far.error is None
    simulated = bool(session and session.lease and session.lease.simulated)
    return (
        str(job.number),
        job.state,
        f"[{job.cell}]" if job.cell is not None else "",
        session.name if session else "",
        session.label if session else "",
        format_duration(round(job.so_far.duration_s, 2)) if known else "",
        money(job.so_far.cost_nanos, simulated=simulated) if known else "",
        next(filter(None, map(str.strip, job.code.splitlines())), ""),
    )


def _footer(lines: Sequence[BillLine], bill: Bill) -> list[str]:
    here = _sums(lines)
    everything = _both(bill.total_nanos, bill.simulated_nanos)
    return [f"this notebook: {here}", f"all notebooks: {everything}"]


def _sums(lines: Sequence[BillLine]) -> str:
    real = sum(line.cost_nanos for line in lines if not line.simulated)
    simulated = sum(line.cost_nanos for line in lines if line.simulated)
    return _both(real, simulated)


def _both(real: int, simulated: int) -> str:
    """Real and simulated sums side by side, never added."""
    parts = [money(real, simulated=False)] if real or not simulated else []
    return " and ".join([*parts, *([money(simulated, simulated=True)] if simulated else [])])
