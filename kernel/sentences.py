"""What the notebook says in one line: progress, cost, idleness; pure."""

from __future__ import annotations

from datetime import UTC, datetime

from farcell.remote_runtime.api import BuildProgress, Session, SessionState, format_dollars
from farcell.remote_runtime.client.away import Missed
from farcell.remote_runtime.client.cell import Ended
from farcell.remote_runtime.client.endings import format_duration

PROGRESS_AFTER_S = 1.0
"""What passes by sooner is not told."""
MAX_LINE = 100
"""Characters of a build's line."""
INTERRUPT_PATIENCE_S = 8.0
"""VS Code gives an interrupted cell 10 s to end."""
LINK_BROKE = "the link to the gateway broke; the cell goes on, and its output comes when the link is back"


def link_back_line(away_s: float) -> str:
    return f"the link to the gateway was broken for {format_duration(away_s)}; nothing is missing"


def progress_line(session: Session) -> str:
    """Where a session is on its way to a kernel."""
    if session.queue is not None:
        wait = session.queue.expected_wait_s
        expected = f", about {format_duration(max(1, round(wait)))}" if wait is not None else ""
        return (
            f"{session.request}: place {session.queue.place} in the queue{expected}: {session.queue.reason}"
        )
    if session.state is SessionState.BUILDING:
        return build_line(session.build)
    if session.state is SessionState.STARTING:
        return f"{session.label}: starting"
    return f"{session.label}: {session.state.value}"


def build_line(build: BuildProgress | None) -> str:
    """``building image: step 2 of 4: pip install torch … Resolved 24 packages``."""
    if build is None:
        return "building image"
    said = f" … {_cut(build.line.strip(), MAX_LINE)}" if build.line.strip() else ""
    return f"building image: step {build.step} of {build.steps}: {_cut(build.what, MAX_LINE)}{said}"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def away_line(missed: Missed) -> str:
    """What stands above the output that nobody has seen: ``while you were away (2 cells, 14 min)``."""
    cells = "1 cell" if missed.cells == 1 else f"{missed.cells} cells"
    if missed.since is None:
        return f"while you were away ({cells})"
    return f"while you were away ({cells}, {format_duration((datetime.now(UTC) - missed.since).total_seconds())})"


def cost_line(ended: Ended) -> str:
    """Time and cost of a cell that has run: ``1.32 s · $0.0014 · H100``."""
    session = ended.session
    label = session.label if session else ""
    simulated = bool(session and session.lease and session.lease.simulated)
    return f"{format_duration(ended.duration_s)} · {money(ended.cost_nanos, simulated=simulated)} · {label}"


def job_line(number: int, state: str, ended: Ended) -> str:
    """What stands under a job's cell; `state` is in words: ``runs``, ``failed: ValueError: no``."""
    if state == "runs":
        label = ended.session.label if ended.session else ""
        return f"job {number} runs on {label} · {format_duration(int(ended.duration_s))}"
    told = f"job {number}" if state == "done" else f"job {number} {state}"
    return f"{told} · {cost_line(ended)}" if ended.error is None else told


def money(nanos: int, *, simulated: bool) -> str:
    """Simulated money never stands as if it were real."""
    return f"{format_dollars(nanos)} (simulated)" if simulated else format_dollars(nanos)


def idle_line(session: Session) -> str | None:
    """The warning before an idle stop; None while none is out."""
    idle = session.idle
    if idle is None or not idle.warned or idle.stops_in_s is None:
        return None
    lost = f"; not saved: {', '.join(idle.unsaved)}" if idle.unsaved else ""
    return (
        f"{session.name} is idle and stops in {format_duration(round(idle.stops_in_s))}{lost} · %gpu keep 1h"
    )


def taken_line(session: Session) -> str:
    """Another kernel has attached to the session."""
    by = session.holder.name if session.holder else "another kernel"
    return f"taken over by {by} · %gpu attach {session.name}"


def ended_line(session: Session) -> str:
    """What became of a session that has no container any more."""
    lease = session.lease
    reason = lease.end_reason.value if lease and lease.end_reason else "ended"
    cost = money(session.cost_nanos, simulated=bool(lease and lease.simulated))
    lost = f"; not saved: {', '.join(lease.unsaved)}" if lease and lease.unsaved else ""
    return f"{session.name} on {session.label} ended ({reason}) · {cost} in all{lost}"
