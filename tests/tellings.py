"""Sessions, leases and bills to tell about: one of each, made different by what is passed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from farcell.remote_runtime.api import (
    BillLine,
    EndReason,
    Isolation,
    Lease,
    LeaseState,
    Offer,
    Request,
    Session,
    SessionKey,
    SessionState,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def lease(**facts: Any) -> Lease:
    usual: dict[str, Any] = {
        "id": "lease1",
        "session_id": "session1",
        "offer": "H100",
        "spawner": "process",
        "count": 1,
        "devices": ("GPU-1",),
        "simulated": False,
        "price_nanos_per_s": 1_097_000,
        "state": LeaseState.RUNNING,
        "created_at": NOON,
        "ready_at": NOON,
    }
    return Lease(**usual | facts)


def ended_lease(reason: EndReason, **facts: Any) -> Lease:
    return lease(state=LeaseState.ENDED, ended_at=NOON, end_reason=reason, **facts)


def session(name: str = "h100", path: str = "analysis.ipynb", **facts: Any) -> Session:
    usual: dict[str, Any] = {
        "id": "session1",
        "owner": "ada",
        "key": SessionKey("machine", path, name),
        "request": Request.parse("H100"),
        "state": SessionState.IDLE,
        "created_at": NOON,
        "lease": lease(),
        "cost_nanos": 1_234_000,
    }
    return Session(**usual | facts)


def offer(name: str = "H100", **facts: Any) -> Offer:
    usual: dict[str, Any] = {
        "gpu": name,
        "memory_bytes": 80 << 30,
        "count_total": 2,
        "count_free": 1,
        "price_nanos_per_s": 1_097_000,
        "spawner": "process",
        "isolation": Isolation.NONE,
    }
    return Offer(name, **usual | facts)


def bill_line(**facts: Any) -> BillLine:
    usual: dict[str, Any] = {
        "session": "h100",
        "path": "analysis.ipynb",
        "lease_id": "lease1",
        "label": "H100",
        "simulated": False,
        "duration_ms": 1500,
        "cost_nanos": 1_645_500,
    }
    return BillLine(**usual | facts)
