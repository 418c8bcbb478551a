"""What a gateway takes over of the one before it on the same folder, which may have been killed at any moment."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

from ..api import EndReason, Lease, LeaseState, SessionState
from ..errors import StartFailed
from . import records
from .background import Background
from .database import Database
from .leases import LeaseKeeper
from .live_session import LiveSession
from .places import Places
from .relay import Relay

_log = logging.getLogger(__name__)

WANTED_WITHIN_S = 60.0
"""Clients that still wait look for the gateway every 2 s. What nobody has asked for by then gets no container."""


class Recovery:
    """Leases and their containers run on, starts are gone on with, and the queue is as it was.

    Who waited may have gone with the gateway: no container is started before a client of its session has come back,
    and `place` is called when one of those in the queue has. Before that `build` goes on with its image.
    """

    def __init__(
        self,
        database: Database,
        places: Places,
        keeper: LeaseKeeper,
        background: Background,
        place: Callable[[], None],
        build: Callable[[LiveSession], Awaitable[frozenset[str] | None]],
    ) -> None:
        self._database = database
        self._places = places
        self._keeper = keeper
        self._background = background
        self._place = place
        self._build = build

    async def run(self) -> None:
        """Once, before the gateway listens; agents and clients come back by themselves."""
        leases, queue = await self._database.read(
            lambda connection: (records.read_leases(connection, live=True), records.read_queue(connection))
        )
        await self._places.refresh(force=True)
        for lease in leases:
            if lease.spawner in self._places.spawners:
                await self._take_over(lease)
            else:
                _log.error("lease %s: the spawner %s is gone, nothing can be done", lease.id, lease.spawner)
        for queued in queue:
            self._queue(queued)
        await self._keeper.reconcile()
        for live in list(self._keeper.live.values()):
            if live.ready.is_set():
                self._keeper.link_lost(live)

    # --- leases ---

    async def _take_over(self, lease: Lease) -> None:
        session, owner = await self._database.read(
            lambda connection: (
                records.read_session(connection, lease.session_id),
                records.owner_of_session(connection, lease.session_id),
            )
        )
        if session is None or owner is None:
            return
        ready = lease.state is LeaseState.RUNNING
        state = SessionState.IDLE if ready else SessionState.STARTING
        live = LiveSession(session=replace(session, state=state), owner=owner, relay=Relay(session.id))
        if ready and lease.ready_at is not None:
            live.ready.set()
            live.ready_since = _on_monotonic_clock(lease.ready_at)
        self._keeper.adopt(live, lease)
        self._open_way_out(live, lease)
        self._places.scheduler.hold(lease, owner, _on_monotonic_clock(lease.created_at))
        if not ready:
            self._background.spawn(self._go_on_starting(live, lease), f"starting session {session.id}")

    def _open_way_out(self, live: LiveSession, lease: Lease) -> None:
        """Its container has the folder where the socket was, and looks for it there again."""
        try:
            self._keeper.ways_out.open(live, lease)
        except StartFailed as error:
            _log.error("lease %s has lost its way out: %s", lease.id, error.message)

    async def _go_on_starting(self, live: LiveSession, lease: Lease) -> None:
        if await self._keeper.containers.is_started(lease) or await self._is_wanted(live):
            await self._keeper.resume_start(live, lease)

    # --- the queue ---

    def _queue(self, queued: records.Queued) -> None:
        session = queued.session
        live = LiveSession(session, queued.owner, Relay(session.id))
        if queued.withdraw_at is not None:
            live.withdraw_at = _on_monotonic_clock(queued.withdraw_at)
        self._keeper.live[session.id] = live
        since = _on_monotonic_clock(queued.since)
        self._places.scheduler.rejoin(session.id, live.owner, session.request, since, session.walls)
        self._background.spawn(self._let_come(live), f"queueing session {session.id}")

    async def _let_come(self, live: LiveSession) -> None:
        if await self._is_wanted(live):
            if live.session.image.is_built and (spawners := await self._build(live)):
                self._places.scheduler.keep_to(live.session.id, spawners)
            self._places.scheduler.come(live.session.id)
            self._place()

    async def _is_wanted(self, live: LiveSession) -> bool:
        """Waits for a client of the session; one that nobody comes for is over."""
        try:
            async with asyncio.timeout(WANTED_WITHIN_S):
                await live.wanted.wait()
        except TimeoutError:
            await self._keeper.end(live, EndReason.EXPIRED, "nobody waited for it any more")
        return not live.ending


def _on_monotonic_clock(then: datetime) -> float:
    return time.monotonic() - (datetime.now(UTC) - then).total_seconds()
