"""Sessions: a user's named environments, and what is told about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Annotated, TypedDict

from msgspec import Meta

from .identifiers import LeaseId, SessionId
from .image import Image
from .lease import Lease
from .request import Request
from .walls import Walls

Seconds = Annotated[float, Meta(gt=0)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class SessionState(Enum):
    """Where a session is in its life.

    Until snapshots exist, `STOPPED` stands for *hibernated*: no container, no variables.
    """

    BUILDING = "building"
    QUEUED = "queued"
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    STOPPING = "stopping"
    STOPPED = "stopped"
    LOST = "lost"

    @property
    def is_over(self) -> bool:
        """No container runs or is waited for."""
        return self in (SessionState.STOPPED, SessionState.LOST)

    @property
    def is_before_lease(self) -> bool:
        """Nothing is held yet: its lease is the one before, if there was one."""
        return self in (SessionState.BUILDING, SessionState.QUEUED)

    @property
    def is_on_the_way(self) -> bool:
        """To a kernel that answers."""
        return self.is_before_lease or self is SessionState.STARTING


@dataclass(frozen=True, slots=True)
class SessionKey:
    """What finds a session of a user again: the notebook (`path` on `machine`) and the session's name in it.

    Without a notebook path, `path` is the kernel's connection file and `ephemeral` is true: such a session
    belongs to one kernel process and ends with it.
    """

    machine: str
    path: str
    name: Name
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """`idle_s`: idle seconds until the warning. `busy_cap_s`: a busy session's longest lease."""

    idle_s: Seconds = 300.0
    busy_cap_s: Seconds = 86_400.0


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """The body of ``POST /farcell/v1/sessions``.

    `keeps_image`: a session that is there has the image that it has, and of `image` only `python` counts.
    """

    key: SessionKey
    request: Request
    settings: SessionSettings = field(default_factory=SessionSettings)
    image: Image = field(default_factory=Image)
    walls: Walls = field(default_factory=Walls)
    keeps_image: bool = False


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """Where the build of a session's image is: step `step` of `steps`, counted from 1; `line` is its newest output."""

    step: int
    steps: int
    what: str
    line: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a session has got no container; an error's `code` and message."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """`place` counts from 1 among those who wait for the same; `expected_wait_s` is None when unknown."""

    place: int
    reason: str
    expected_wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """One idle signal: its name, whether it says *busy*, what was measured, and for how long it is quiet."""

    name: str
    busy: bool
    value: str
    quiet_s: float


@dataclass(frozen=True, slots=True)
class IdleReport:
    """`stops_in_s` is None while nothing counts down; once warned, `unsaved` names what a stop would lose."""

    idle_s: float = 0.0
    stops_in_s: float | None = None
    warned: bool = False
    unsaved: tuple[str, ...] = ()
    signals: tuple[Signal, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """Up to where the session's notebook has shown what is in the journal of a lease."""

    lease_id: LeaseId
    position: int


class SessionFacts(TypedDict):
    """What a list of sessions shows beside the stored fields."""

    name: str
    path: str
    label: str
    price_nanos_per_s: int | None
    simulated: bool
    started_at: str | None


@dataclass(frozen=True, slots=True)
class Holder:
    """A client process: a nonce that it made, and what people are told it is."""

    client: str
    name: str


@dataclass(frozen=True, slots=True)
class Session:
    """A session as the gateway tells it to its owner. `lease` is the current one, or the last."""

    id: SessionId
    owner: str
    key: SessionKey
    request: Request
    state: SessionState
    created_at: datetime
    settings: SessionSettings = field(default_factory=SessionSettings)
    image: Image = field(default_factory=Image)
    walls: Walls = field(default_factory=Walls)
    lease: Lease | None = None
    build: BuildProgress | None = None
    queue: QueuePlace | None = None
    idle: IdleReport | None = None
    cost_nanos: int = 0
    shown: Shown | None = None
    failure: Failure | None = None
    """Until it is asked for again."""
    installed: tuple[str, ...] = ()
    """What was installed by hand in its newest container, as requirements, in that order; until it is saved."""
    holder: Holder | None = None
    """Who attached to it last, while it has a container or waits for one."""

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def label(self) -> str:
        return self.lease.label if self.lease else str(self.request)

    @property
    def lease_id(self) -> LeaseId | None:
        return self.lease.id if self.lease else None

    def facts(self) -> SessionFacts:
        lease = self.lease
        return {
            "name": self.name,
            "path": self.key.path,
            "label": self.label,
            "price_nanos_per_s": lease.price_nanos_per_s if lease else None,
            "simulated": bool(lease and lease.simulated),
            "started_at": lease.ready_at.isoformat() if lease and lease.ready_at else None,
        }
