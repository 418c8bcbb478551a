"""A session that is queued or has a container, as this gateway process knows it; the database has what must last."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace

from ..api import BuildProgress, IdleReport, Lease, QueuePlace, Session, SessionState, UserId
from ..wire import control
from .agent_link import AgentLink
from .relay import Relay
from .stock_clients import StockClients


@dataclass(slots=True, eq=False)
class LiveSession:
    """Made when a session asks for a container, dropped when its lease has ended."""

    session: Session
    owner: UserId
    relay: Relay
    link: AgentLink = field(default_factory=AgentLink)
    lease: Lease | None = None
    build: BuildProgress | None = None
    queue: QueuePlace | None = None
    idle: IdleReport | None = None
    usage: control.Usage | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    bye: asyncio.Event = field(default_factory=asyncio.Event)
    unsaved: tuple[str, ...] = ()
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once somebody has asked this gateway process for it, or has come to its channels."""
    ending: bool = False
    told: SessionState | None = None
    """The state that listeners were told last."""
    stock: StockClients = field(init=False)
    ready_since: float | None = None
    """When its kernel was ready; monotonic seconds, like `lease_end`."""
    withdraw_at: float = float("inf")
    """When nobody waits for it any more, if it is queued still."""
    lease_end: float = float("inf")
    """When the lease ends unless it is moved."""

    def __post_init__(self) -> None:
        self.stock = StockClients(self.relay)

    @property
    def connections(self) -> int:
        return self.relay.clients - self.stock.away

    @property
    def state(self) -> SessionState:
        return self.session.state

    @state.setter
    def state(self, state: SessionState) -> None:
        self.session = replace(self.session, state=state)

    async def ready_or_over(self) -> None:
        """Waits until a kernel answers, or the lease has ended."""
        async with asyncio.TaskGroup() as tasks:
            waits = [tasks.create_task(event.wait()) for event in (self.ready, self.over)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()

    def move_lease_end(self, lease_s: float) -> None:
        self.lease_end = time.monotonic() + lease_s

    def elapsed_ms(self) -> int:
        """Since the kernel was ready, by the gateway's own clock."""
        return 0 if self.ready_since is None else int((time.monotonic() - self.ready_since) * 1000)

    def view(self) -> Session:
        """What its owner is told; the lease is the last one's while this session still waits for its own."""
        return replace(
            self.session,
            lease=self.lease or self.session.lease,
            build=self.build if self.state is SessionState.BUILDING else None,
            queue=self.queue if self.state is SessionState.QUEUED else None,
            idle=self.idle if self.state in (SessionState.IDLE, SessionState.BUSY) else None,
        )
