"""What a user is told when a cell does not end by itself, or its session is not what it was; pure."""

from __future__ import annotations

from ..api import EndReason, Session, to_json
from ..errors import FarcellError, OutcomeUnknown, StartFailed, TakenOver, error_from_json

_ONCE = "it is not run again by itself"


def kernel_died(session: Session, detail: str, *, begun: bool) -> FarcellError:
    """The kernel that had the cell was replaced; the container lives. One that dies at once may not tell of a begin."""
    why = "was restarted" if detail == "restarted" else f"died ({detail})"
    when = "while this cell ran" if begun else "before this cell was seen to begin"
    return OutcomeUnknown(
        f"the kernel of session {session.name} {why} {when}: how far it came is unknown, and {_ONCE}. "
        "The next %%gpu cell runs in a fresh kernel; variables are gone, files are there."
    )


def taken_over(session: Session, by: str, *, begun: bool | None = None) -> FarcellError:
    """Another client has attached to the session. `begun`: of a cell that was sent before; None where none was."""
    back = f"'%gpu attach {session.name}' takes it back"
    match begun:
        case None:
            what = "this cell was not sent"
        case True:
            what = "this cell goes on there, with its output"
        case False:
            what = f"this cell had not been seen to begin, and {_ONCE}"
    return TakenOver(f"session {session.name} was taken over by {by}: {what}; {back}", by=by)


def lease_ended(session: Session, *, begun: bool) -> FarcellError:
    """The session has no container any more; `begun` says whether the cell had."""
    lease = session.lease
    if session.failure is not None and not begun:
        return error_from_json(to_json(session.failure))
    if lease is not None and lease.end_reason is EndReason.START_FAILED:
        return StartFailed(f"session {session.name} did not start on {lease.label}: {lease.end_detail}")
    if not begun:
        return OutcomeUnknown(f"session {session.name} ended before this cell began; {_ONCE}: run it again")
    return OutcomeUnknown(
        f"session {session.name} {_how(session)} while this cell ran: how far it came is unknown, and {_ONCE}. "
        "The next %%gpu cell starts a fresh container."
    )


def link_lost(session: Session, *, begun: bool) -> FarcellError:
    """The way to the gateway broke and the session is still there."""
    if not begun:
        return OutcomeUnknown(f"the link to the gateway broke before this cell was seen to begin; {_ONCE}")
    return OutcomeUnknown(
        f"the link to the gateway broke while this cell ran in session {session.name}: it may still run there, and "
        f"{_ONCE}. '%gpu attach {session.name}' shows what it has put out since."
    )


def started_anew(session: Session) -> str | None:
    """Why a session that had a container before begins with an empty namespace; None when it never had one.

    And what it lacks of the packages that were installed there.
    """
    lease = session.lease
    if lease is None or lease.ended_at is None or lease.ready_at is None:
        return None
    gone = f"; not saved: {', '.join(lease.unsaved)}" if lease.unsaved else ""
    return f"session {session.name} starts anew: it {_how(session)}{gone}{_installed(session)}"


def _installed(session: Session) -> str:
    stays = bool(session.image.python) and not session.image.is_built  # in the notebook's own environment
    count = 0 if stays else len(session.installed)
    if not count:
        return ""
    packages = "1 package was" if count == 1 else f"{count} packages were"
    return f"; {packages} installed by hand: '%gpu image save' keeps {'it' if count == 1 else 'them'}"


def _how(session: Session) -> str:
    lease = session.lease
    reason = lease.end_reason if lease else None
    detail = f" ({lease.end_detail})" if lease and lease.end_detail else ""
    match reason:
        case EndReason.IDLE:
            return f"was stopped after {format_duration(session.settings.idle_s)} idle"
        case EndReason.EXPIRED:
            return "came to the end of its lease"
        case EndReason.LOST:
            return f"lost its container{detail}"
        case EndReason.STOPPED:
            return f"was stopped{detail}"
        case _:
            return f"ended{detail}"


def format_duration(seconds: float) -> str:
    """``< 0.01 s``, ``0.42 s``, ``12.3 s``, ``4 min 05 s``, ``2 h 03 min``."""
    if 0 < seconds < 0.01:
        return "< 0.01 s"
    if seconds < 59.95:  # what rounds to a minute is one
        return f"{seconds:.2f} s" if seconds < 9.995 and seconds != int(seconds) else f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"
