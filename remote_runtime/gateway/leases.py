"""The life of a lease: a container is started, watched, charged and ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from ..api import (
    Device,
    EndReason,
    GatewayId,
    Lease,
    LeaseId,
    LeaseState,
    SessionId,
    SessionState,
    Shown,
)
from ..api.identifiers import new_lease_id
from ..errors import FarcellError, StartFailed
from ..scheduler import Grant
from ..spawners.contract import ContainerSpec, Spawner
from ..wire import control
from . import records
from .background import Background
from .bookkeeper import Bookkeeper
from .containers import Containers
from .database import Database
from .egress import EgressDesk
from .lease_folders import KEPT_LOGS, LeaseFolders
from .live_session import LiveSession
from .options import GatewayOptions
from .places import Places
from .users import hash_token, new_token
from .ways_out import WaysOut

_log = logging.getLogger(__name__)

LEASE_ENDED = 4410
"""The WebSocket close code that tells a client that its session has no container any more."""


class LeaseKeeper:
    """Starts and ends containers. `changed` is called with a session whenever something of it did."""

    def __init__(
        self,
        gateway_id: GatewayId,
        options: GatewayOptions,
        database: Database,
        places: Places,
        background: Background,
        changed: Callable[[LiveSession], None],
    ) -> None:
        self.live: dict[SessionId, LiveSession] = {}
        self._by_lease: dict[LeaseId, LiveSession] = {}
        self.folders = LeaseFolders(options.folder)
        self.containers = Containers(gateway_id, places)
        self.ways_out = WaysOut(EgressDesk(options.egress, background), self.folders, places)
        self._journal_bytes = options.journal_bytes
        self._log_bytes = options.log_bytes
        self._log_age_s = options.log_days * 86_400
        self._database = database
        self._places = places
        self._background = background
        self.changed = changed
        self.times = options.times
        self.bookkeeper = Bookkeeper(database, background, changed)

    def find(self, lease_id: LeaseId) -> LiveSession | None:
        return self._by_lease.get(lease_id)

    def adopt(self, live: LiveSession, lease: Lease) -> None:
        """Puts a session with its running lease under care: a new one, or one of a gateway before this."""
        live.lease = lease
        live.move_lease_end(self.times.lease_s)
        self.live[live.session.id] = live
        self._by_lease[lease.id] = live

    # --- start ---

    async def start(self, live: LiveSession, grant: Grant) -> None:
        """From a grant to a ready kernel; what fails ends the lease and is told to the session's clients."""
        if live.ending:
            return
        token = new_token()
        lease = _new_lease(live, grant)
        self.adopt(live, lease)
        live.state = SessionState.STARTING
        self.changed(live)
        await self._see_ready(
            live, lease, self._start(live, lease, self._container(live, lease, grant.devices, token))
        )

    async def resume_start(self, live: LiveSession, lease: Lease) -> None:
        """The same for a lease of a gateway before this one, whose container may be there already."""
        if await self.containers.is_started(lease):
            await self._see_ready(live, lease, self._wait_until_ready(live, lease))
        else:
            await self._see_ready(live, lease, self._start_again(live, lease))

    async def _see_ready(self, live: LiveSession, lease: Lease, starting: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(self.times.start_s):
                await starting
        except TimeoutError:
            await self.end(live, EndReason.START_FAILED, f"no kernel within {self.times.start_s:g} s")
        except FarcellError as error:
            await self.end(live, EndReason.START_FAILED, error.message)
        except Exception:  # noqa: BLE001 (a session must not be left starting for ever)
            _log.exception("lease %s can't start", lease.id)
            await self.end(live, EndReason.START_FAILED, "the gateway's log says why")

    async def _start(self, live: LiveSession, lease: Lease, container: ContainerSpec) -> None:
        """Who stops the session meanwhile may do so before its container is there: it is then stopped once more."""
        token_hash = hash_token(container.token)
        await self._database.write(lambda connection: _write_start(connection, live, lease, token_hash))
        await self._start_container(live, lease, container)

    async def _start_again(self, live: LiveSession, lease: Lease) -> None:
        """Nobody knows how far the gateway before came: what it may have begun is ended, and its agent's token is void.

        An agent that has taken a cell, and is gone, may have run it: its lease is not begun again.
        """
        token = new_token()
        await self._database.write(
            lambda connection: records.renew_token(connection, lease.id, hash_token(token))
        )
        await self.containers.stop(lease)
        if await asyncio.to_thread(self.folders.has_cells, lease.id):
            await self.end(live, EndReason.LOST, "its agent is gone")
        elif not live.ending:
            _log.info("lease %s: started again", lease.id)
            devices = self._places.scheduler.devices(lease)
            await self._start_container(live, lease, self._container(live, lease, devices, token))

    async def _start_container(self, live: LiveSession, lease: Lease, container: ContainerSpec) -> None:
        await asyncio.to_thread(self.folders.make, lease.id, live.owner)
        self.ways_out.open(live, lease)
        if not live.ending:
            await self.containers.start(lease, container)
        if live.ending:
            await self.containers.stop(lease)
            await self.ways_out.close(lease.id)
        await self._wait_until_ready(live, lease)

    def _container(
        self, live: LiveSession, lease: Lease, devices: tuple[Device, ...], token: str
    ) -> ContainerSpec:
        return ContainerSpec(
            gateway_id=self.containers.gateway_id,
            session_id=live.session.id,
            lease_id=lease.id,
            owner=live.session.owner,
            offer=lease.offer,
            devices=devices,
            folder=self.folders.lease(lease.id),
            cache=self.folders.cache(live.owner),
            socket=self.folders.socket,
            token=token,
            image=live.session.image,
            walls=live.session.walls,
            egress=self.ways_out.socket(live, lease),
        )

    async def _wait_until_ready(self, live: LiveSession, lease: Lease) -> None:
        """Raises `StartFailed`, with the log's last lines, as soon as the container is seen dead."""
        while not live.ready.is_set() and not live.ending:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await live.ready.wait()
                    return
            if not await self.containers.runs(lease):
                raise StartFailed(self._ended_early(lease))

    def _ended_early(self, lease: Lease) -> str:
        return f"the container ended before its kernel was ready\n{self.folders.log_tail(lease.id)}"

    # --- what the agent says ---

    def agent_ready(self, live: LiveSession, ready: control.Ready) -> None:
        """The kernel answers; the first time, billing begins."""
        if live.lease is None or live.ending:
            return
        if live.lease.ready_at is None:
            live.lease = replace(live.lease, state=LeaseState.RUNNING, ready_at=datetime.now(UTC))
            live.ready_since = time.monotonic()
            self._write_lease(live)
            _log.info("lease %s: ready, kernel %d", live.lease.id, ready.kernel_pid)
        live.ready.set()
        if live.state is not SessionState.BUSY:
            live.state = SessionState.IDLE
        self.changed(live)

    def attested(self, live: LiveSession, uptime_ms: int) -> None:
        """Charges what is new and moves the lease's end."""
        live.move_lease_end(self.times.lease_s)
        self.bookkeeper.attested(live, uptime_ms)

    def kernel_died(self, live: LiveSession, detail: str) -> None:
        """The agent starts another; until it answers the session is starting again. The first has to come up."""
        _log.warning("session %s: its kernel died: %s", live.session.id, detail)
        live.ready.clear()
        if live.lease is not None and live.lease.ready_at is None:
            why = f"the kernel ended before it was ready: {detail}\n{self.folders.log_tail(live.lease.id)}"
            ending = self.end(live, EndReason.START_FAILED, why)
            self._background.spawn(ending, f"ending session {live.session.id}")

    def shown(self, live: LiveSession, position: int) -> None:
        """The session's notebook has shown everything up to that position of the lease's journal."""
        if live.lease is not None:
            shown = Shown(live.lease.id, position)
            live.session = replace(live.session, shown=shown)
            work = self._database.write(
                lambda connection: records.set_shown(connection, live.session.id, shown)
            )
            self._background.spawn(work, f"noting what session {live.session.id} has shown")

    def installed(self, live: LiveSession, packages: tuple[str, ...]) -> None:
        """By hand, in this container; what its image has since been saved with is known there."""
        known = {word for step in live.session.image.steps for word in step.words}
        new = tuple(package for package in packages if package not in known)
        live.session = replace(live.session, installed=new)
        work = self._database.write(
            lambda connection: records.set_installed(connection, live.session.id, new)
        )
        self._background.spawn(work, f"noting what is installed in session {live.session.id}")
        self.changed(live)

    def said_bye(self, live: LiveSession, bye: control.Bye) -> None:
        """The agent ends by itself, or because it was told to."""
        self.attested(live, bye.uptime_ms)
        live.unsaved = bye.unsaved
        live.bye.set()
        if not live.ending:
            reason = EndReason(bye.reason)
            self._background.spawn(self.end(live, reason, ""), f"ending session {live.session.id}")

    def link_lost(self, live: LiveSession) -> None:
        """The agent's WebSocket closed: it will dial again, or its container is gone."""
        self._background.spawn(self._watch_lost(live), f"watching session {live.session.id}")

    async def _watch_lost(self, live: LiveSession) -> None:
        delay_s = 0.05
        while not live.link.connected and not live.ending and live.lease is not None:
            if not await self.containers.runs(live.lease):
                await self._end_without_agent(live, live.lease)
            elif time.monotonic() > live.lease_end:
                await self.end(live, EndReason.LOST, "its agent was not heard until the lease's end")
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, 5.0)

    async def _end_without_agent(self, live: LiveSession, lease: Lease) -> None:
        if lease.ready_at is None:
            await self.end(live, EndReason.START_FAILED, self._ended_early(lease))
        else:
            await self.end(live, EndReason.LOST, "its agent is gone")

    # --- end ---

    async def end(self, live: LiveSession, reason: EndReason, detail: str) -> None:
        """Ends a session's lease: the agent is asked, then the container killed; waits where somebody has begun it."""
        if live.ending:
            await live.over.wait()
            return
        live.ending = True
        live.state = SessionState.STOPPING
        self.changed(live)
        try:
            await self._say_stop(live, reason)
            await self._close(live, reason, detail)
            live.over.set()
        finally:
            live.ending = live.over.is_set()  # what failed is tried again by the next who wants it ended

    async def _say_stop(self, live: LiveSession, reason: EndReason) -> None:
        if live.bye.is_set() or not live.link.connected:
            return
        live.relay.command(control.Stop(reason.value))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.times.stop_s):
                await live.bye.wait()

    async def _close(self, live: LiveSession, reason: EndReason, detail: str) -> None:
        lease = live.lease
        state = SessionState.LOST if reason is EndReason.LOST else SessionState.STOPPED
        if lease is not None:
            await self.containers.stop(lease)
            live.lease = lease = records.end_lease(lease, reason, detail, live.unsaved)
            _log.info("lease %s ended: %s %s", lease.id, reason.value, detail)
            self._by_lease.pop(lease.id, None)
            await self.ways_out.close(lease.id)
            await asyncio.to_thread(self.folders.empty, lease.id)
            await self._trim(live.session.id)
        await self.bookkeeper.flush()
        await self._database.write(lambda connection: _write_end(connection, live, lease, state))
        live.state = state
        self._places.scheduler.withdraw(live.session.id)
        self._places.scheduler.release(live.session.id, time.monotonic())
        self.live.pop(live.session.id, None)
        live.relay.end(LEASE_ENDED, reason.value)
        self.changed(live)

    async def _trim(self, session_id: SessionId) -> None:
        leases = await self._database.read(
            lambda connection: records.leases_of_session(connection, session_id)
        )
        await asyncio.to_thread(self.folders.trim_journals, leases, self._journal_bytes)
        await asyncio.to_thread(self.folders.trim_logs, leases, KEPT_LOGS * self._log_bytes)

    async def remove_old_logs(self) -> None:
        """Regularly; journals stay as long as their sessions."""
        removed = await asyncio.to_thread(self.folders.remove_old_logs, [*self._by_lease], self._log_age_s)
        if removed:
            _log.info("removed %d logs older than %g days", removed, self._log_age_s / 86_400)

    # --- the truth ---

    async def reconcile(self) -> None:
        """Compares leases with containers: a container without a lease is stopped, a lease without a container ends."""
        for spawner in self._places.spawners.values():
            found = await self.containers.list(spawner)
            if found is None:
                continue
            containers = {container.lease_id: container for container in found}
            for lease_id in containers.keys() - self._by_lease.keys():
                _log.warning("container of lease %s has no lease here: stopped", lease_id)
                await spawner.stop(lease_id)
            for lease_id, live in list(self._by_lease.items()):
                if self._is_missing(live, spawner, containers.get(lease_id)):
                    await self.end(live, EndReason.LOST, "its container is gone")

    def _is_missing(self, live: LiveSession, spawner: Spawner, container: object | None) -> bool:
        started = live.lease is not None and live.lease.state is LeaseState.RUNNING
        here = live.lease is not None and live.lease.spawner == spawner.name
        return here and started and not live.link.connected and container is None

    def _write_lease(self, live: LiveSession) -> None:
        lease = live.lease
        assert lease is not None
        work = self._database.write(lambda connection: records.update_lease(connection, lease))
        self._background.spawn(work, f"writing lease {lease.id}")


def _new_lease(live: LiveSession, grant: Grant) -> Lease:
    return Lease(
        id=new_lease_id(),
        session_id=live.session.id,
        offer=grant.offer.name,
        spawner=grant.offer.spawner,
        count=grant.count,
        devices=tuple(device.uuid for device in grant.devices),
        simulated=grant.offer.simulated,
        price_nanos_per_s=grant.price_nanos_per_s,
        state=LeaseState.STARTING,
        created_at=datetime.now(UTC),
    )


def _write_start(connection: Connection, live: LiveSession, lease: Lease, token_hash: str) -> None:
    records.add_lease(connection, lease, live.owner, token_hash)
    records.set_state(connection, live.session.id, SessionState.STARTING)


def _write_end(connection: Connection, live: LiveSession, lease: Lease | None, state: SessionState) -> None:
    if lease is not None:
        records.update_lease(connection, lease)
    records.set_state(connection, live.session.id, state)
    if live.session.failure is not None:
        records.set_failure(connection, live.session.id, live.session.failure)
