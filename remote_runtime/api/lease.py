"""Leases: one stretch of a session holding one container, which is what is billed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from .identifiers import ExecuteId, LeaseId, SessionId
from .money import Nanos
from .offer import device_label


class LeaseState(Enum):
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"


class EndReason(Enum):
    """Why a lease ended, as people are told."""

    STOPPED = "stopped"
    IDLE = "idle"
    EXPIRED = "expired"
    LOST = "lost"
    START_FAILED = "start-failed"


@dataclass(frozen=True, slots=True)
class Lease:
    """`price_nanos_per_s` is for all that the lease holds; `attested_ms` is what its agent has attested.

    `devices` are uuids, empty where the spawner hands them out itself; `count` is 1 for a plain CPU.
    `unsaved` names the variables that were lost when it ended idle.
    """

    id: LeaseId
    session_id: SessionId
    offer: str
    spawner: str
    count: int
    devices: tuple[str, ...]
    simulated: bool
    price_nanos_per_s: Nanos
    state: LeaseState
    created_at: datetime
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    end_detail: str = ""
    unsaved: tuple[str, ...] = ()
    attested_ms: int = 0

    @property
    def label(self) -> str:
        return device_label(self.offer, self.count, simulated=self.simulated)


@dataclass(frozen=True, slots=True)
class CellRecord:
    """One cell of a lease on the lease's own clock: milliseconds since its kernel was ready.

    `number` is the notebook's ``In [n]`` where the client told it, else the far kernel's. `ended_ms` is None
    while it runs.
    """

    lease_id: LeaseId
    execute_id: ExecuteId
    number: int | None
    started_ms: int
    ended_ms: int | None = None
    status: str | None = None
    peak_memory_bytes: int = 0
    peak_gpu_memory_bytes: int = 0
    peak_gpu_utilisation: float = 0.0
