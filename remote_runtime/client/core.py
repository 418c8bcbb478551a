"""The client's core: one event loop's view of the user's sessions; `blocking` is its face for notebooks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..api import (
    Holder,
    Image,
    LeaseId,
    Session,
    SessionKey,
    SessionSpec,
    SessionState,
    from_json,
)
from ..errors import (
    BadRequest,
    FarcellError,
    InternalError,
    OutcomeUnknown,
    SessionNotFound,
)
from ..journal import Record
from ..wire.messages import KernelMessage, decode
from .away import Absence, Missed, outputs
from .cell import Away, AwayOutput, Ended, Progress, RunningCell
from .channels import Channels
from .endings import lease_ended, link_lost, started_anew, taken_over
from .far_shells import FarShells, cancel_job, deletion_of, make_subshell
from .inbox import Finished
from .requests import Requests
from .streams import EventParser
from .user_gateway import UserGateway

_log = logging.getLogger(__name__)

PROGRESS_EVERY_S = 0.5
EVENTS_AGAIN_S = 2.0
EVENTS_QUIET_S = 45.0
"""Gateways send a heartbeat every 15 s."""
SHOWN_AFTER_S = 0.3
GOODBYE_S = 2.0

Stray = Callable[[SessionKey, KernelMessage, dict[str, Any], dict[str, Any]], None]
"""As the inbox's, with the session that it came from."""


@dataclass(slots=True)
class _Attached:
    channels: Channels
    reading: asyncio.Task[None]


class Core:
    """Runs cells on the user's gateway, which others may ask too; everything on one event loop.

    With `stays`, it keeps the way to a session open between cells too, as long as the session has a container. `name`
    is what others are told when this client takes a session over.
    """

    def __init__(
        self, stray: Stray, changed: Callable[[Session], None], *, stays: bool = False, name: str = ""
    ) -> None:
        self._stray = stray
        self._listeners = [changed]
        self._stays = stays
        self._following: asyncio.Task[None] | None = None
        self._telling: dict[Channels, asyncio.Task[None]] = {}
        self.gateway = UserGateway(_me(name))
        self._attached: dict[SessionKey, _Attached] = {}
        self._sent: dict[str, Channels] = {}
        """Where the cells that run or wait were sent, by execute id."""
        self._opening: dict[SessionKey, asyncio.Lock] = {}
        self._requests = Requests()
        self.shells = FarShells(self)

    # --- cells ---

    async def run_cell(self, cell: RunningCell, spec: SessionSpec, *, take: bool = False) -> None:
        """Runs a cell to its `Ended`, whatever happens on the way; cancelling withdraws it.

        `take`: also where another client has taken the session over, which is then told in its turn.
        """
        await self._to_end(cell, spec.key.name, self._run(cell, spec, take=take))

    async def show_missed(self, cell: RunningCell, session: Session) -> None:
        """As `cell`'s events, what a session's cells did behind what its notebook has shown; nothing is started."""
        await self._to_end(cell, session.name, self._show_missed(cell, session))

    async def _to_end(self, cell: RunningCell, name: str, work: Coroutine[Any, Any, Ended]) -> None:
        try:
            cell.put(await work)
        except FarcellError as error:
            cell.put(Ended(None, error, cell.session, 0.0))
        except Exception as error:  # noqa: BLE001 the notebook waits for the cell's end, whatever happens
            _log.exception("a cell of session %s failed", name)
            cell.put(Ended(None, _unexpected(error), cell.session, 0.0))
        except asyncio.CancelledError:
            cell.put(Ended(None, OutcomeUnknown("the cell was withdrawn"), cell.session, 0.0))
            raise

    async def _run(self, cell: RunningCell, spec: SessionSpec, *, take: bool) -> Ended:
        channels, anew = await self._attach(cell, spec, take=take)
        cell.session = channels.session
        if cell.withdrawn:
            await self._withdraw(channels)
            raise OutcomeUnknown("the cell was withdrawn before it began")
        progress = asyncio.create_task(self._tell_progress(cell, channels))
        self._sent[cell.source.execute_id] = channels
        try:
            finished = await (self._run_job if cell.in_background else channels.run)(cell, anew)
        finally:
            del self._sent[cell.source.execute_id]
            progress.cancel()
        if finished is None:
            raise await self._why_lost(channels, cell)
        self._tell_shown(channels)
        return Ended(finished.reply, None, await self._with_lease(channels), finished.duration_s)

    async def _run_job(self, cell: RunningCell, anew: str | None) -> Finished | None:
        """On a subshell of its own, so that other cells run meanwhile."""
        channels = self._sent[cell.source.execute_id]
        making = asyncio.create_task(make_subshell(partial(self._control, channels)))
        closed = asyncio.create_task(channels.closed.wait())
        try:
            with channels.held():
                await asyncio.wait({making, closed}, return_when=asyncio.FIRST_COMPLETED)
            if not making.done():
                return None
            subshell = making.result()
        finally:
            making.cancel()
            closed.cancel()
        if subshell is None:
            raise BadRequest(
                "the session's ipykernel is older than 7 and runs one cell at a time: leave out --bg"
            )
        cell.runs_on(subshell)
        finished = await channels.run(cell, anew)
        if finished is not None:
            channels.ask(deletion_of(subshell))
        return finished

    async def _control(self, channels: Channels, message: KernelMessage) -> KernelMessage:
        """As `request`, also where the kernel is not there yet."""
        reply = self._requests.reply_to(message, channels.session.key)
        channels.ask(message)
        return await reply

    async def _with_lease(self, channels: Channels) -> Session:
        """The session with the lease that the cell ran in, whose price tells the cell's cost."""
        lease = channels.session.lease
        if lease is None or lease.ended_at is not None:
            channels.session = await self.gateway.session(channels.session.id)
        return channels.session

    async def interrupt_cell(self, cell: RunningCell) -> None:
        """Interrupts a cell that was sent, if its session has a kernel; otherwise the cell never begins."""
        execute_id = cell.source.execute_id
        channels = self._sent.get(execute_id)
        if channels is None:
            cell.withdrawn = True
        elif await self._withdraw(channels):
            return
        elif cell.in_background:
            await cancel_job(partial(self._control, channels), execute_id, lambda: execute_id in self._sent)
        else:
            await self.gateway.interrupt(channels.session.id)

    async def _withdraw(self, channels: Channels) -> bool:
        """Takes a session from the queue, or ends its container while that still starts; whether it did."""
        session = await self.gateway.session(channels.session.id)
        waits = session.state in (SessionState.QUEUED, SessionState.STARTING)
        if waits:
            await self.gateway.stop(session.id)
        return waits

    def answer(self, cell: RunningCell, message: KernelMessage) -> None:
        """Answers a cell's question; silent when the cell is over."""
        channels = self._sent.get(cell.source.execute_id)
        if channels is not None:
            channels.answer(cell.source.execute_id, message)

    # --- everything else that a front end says ---

    def attached(self, key: SessionKey) -> Session | None:
        """The session if a kernel of its can be asked now, without starting anything."""
        attached = self._attached.get(key)
        if attached is None or attached.channels.closed.is_set() or not attached.channels.position:
            return None
        session = attached.channels.session
        return None if session.state.is_over else session

    def ask(self, key: SessionKey, message: KernelMessage) -> None:
        """Sends a session's kernel a request that is no cell; what comes of it is stray. Silent where none is there."""
        if self.attached(key) is not None:
            self._attached[key].channels.ask(message)

    async def request(self, key: SessionKey, message: KernelMessage) -> KernelMessage:
        """As `ask`; gives the reply, whenever that comes. Raises `SessionNotFound` where no kernel is there."""
        if self.attached(key) is None:
            raise SessionNotFound(f"session {key.name} has no kernel that could be asked")
        reply = self._requests.reply_to(message, key)
        self.ask(key, message)
        return await reply

    def busy(self, key: SessionKey) -> bool:
        """Whether a cell of this client's runs or waits in the session, be it a job: its widgets are its shell's."""
        attached = self._attached.get(key)
        return attached is not None and attached.channels in self._sent.values()

    def keep_open(self, key: SessionKey) -> None:
        """The way to the session stays open between cells too, as long as its container lives."""
        if key in self._attached:
            self._attached[key].channels.stay()

    def _overheard(
        self, key: SessionKey, message: KernelMessage, header: dict[str, Any], parent: dict[str, Any]
    ) -> None:
        if not parent and header.get("msg_type") == "status":
            self.shells.forget(key)
            if decode(message.content).get("execution_state") == "restarting":
                self._requests.lost(key)
        if not self._requests.received(message, parent):
            self._stray(key, message, header, parent)

    # --- attaching ---

    async def _attach(
        self, cell: RunningCell, spec: SessionSpec, *, take: bool
    ) -> tuple[Channels, str | None]:
        """The session's open channels; opened, and the session started, where they are not.

        The first time, and where another client had it, `cell` first shows what the session's cells did meanwhile.
        Raises `TakenOver` where another client has it and it is not to `take` it back.
        """
        async with self._opening.setdefault(spec.key, asyncio.Lock()):
            attached = self._attached.get(spec.key)
            if attached is not None and attached.channels.serve(spec):
                return attached.channels, None
            if attached is not None and await self._is_elsewhere(attached.channels.session, take=take):
                attached = None
            session = await self.gateway.patiently(self._ensure, spec)
            anew = started_anew(session)
            missed = await self._tell_missed(cell, session) if attached is None else None
            channels = await self.gateway.patiently(self._open, session, take=take or attached is None)
            if missed is not None and session.state not in (SessionState.QUEUED, SessionState.STARTING):
                channels.go_on_after(missed)
            if attached is not None:
                if channels.lease_id is not None and channels.lease_id == attached.channels.lease_id:
                    channels.go_on_from(attached.channels)
                attached.channels.close()
            self._attached[spec.key] = _Attached(channels, asyncio.create_task(channels.read()))
            if self._following is None:
                self._following = asyncio.create_task(self._follow())
            return channels, anew

    async def _is_elsewhere(self, session: Session, *, take: bool) -> bool:
        """Whether another client has taken over what was attached to; raises `TakenOver` unless it is to `take` it."""
        try:
            session = await self.gateway.patiently(self.gateway.session, session.id)
        except SessionNotFound:
            return False
        holder = self._other_holder(session)
        if holder is not None and not take:
            raise taken_over(session, holder.name)
        return holder is not None

    def _other_holder(self, session: Session) -> Holder | None:
        """Nobody holds a session that has no container."""
        mine = session.holder is None or session.holder.client == self.gateway.me.client
        return None if mine or session.state.is_over else session.holder

    async def _show_missed(self, cell: RunningCell, session: Session) -> Ended:
        await self._tell_missed(cell, session)
        return Ended(None, None, session, 0.0)

    async def _tell_missed(self, cell: RunningCell, session: Session) -> Missed | None:
        """What came behind what the session's notebook has shown, in the journal of its newest lease.

        The journal is read twice, since the first line about it says how much it is: it may be more than memory holds.
        """
        lease, shown = session.lease, session.shown
        if lease is None or lease.ready_at is None:
            return None
        after = shown.position if shown is not None and shown.lease_id == lease.id else 0
        absence = Absence(after)
        while records := await self._read_journal(session, lease.id, absence.position):
            absence.feed(records)
        missed = absence.missed()
        if missed.cells:
            cell.put(Away(missed))
            await self._tell_outputs(cell, session, missed)
        return missed

    async def _tell_outputs(self, cell: RunningCell, session: Session, missed: Missed) -> None:
        read, lease_id = missed.after, session.lease_id
        assert lease_id is not None
        while read < missed.position and not cell.withdrawn:
            records = await self._read_journal(session, lease_id, read)
            for record in records:
                if record.position > missed.position:
                    return
                for output in outputs((record,)):
                    await cell.room()
                    cell.show(AwayOutput(output), len(record.body))
            read = records[-1].position if records else missed.position

    async def _read_journal(self, session: Session, lease_id: LeaseId, after: int) -> list[Record]:
        return await self.gateway.patiently(self.gateway.journal, session.id, lease_id, after)

    def _tell_shown(self, channels: Channels) -> None:
        """A moment later, and once for cells that follow each other closely."""
        if channels not in self._telling:
            self._telling[channels] = asyncio.create_task(self._tell_shown_soon(channels))

    async def _tell_shown_soon(self, channels: Channels) -> None:
        await asyncio.sleep(SHOWN_AFTER_S)
        del self._telling[channels]
        await self._post_shown(channels)

    async def _post_shown(self, channels: Channels) -> None:
        with contextlib.suppress(FarcellError):
            await self.gateway.shown(channels.session.id, channels.shown)

    async def _ensure(self, spec: SessionSpec) -> Session:
        """The session, started where it was not; on the user's own machine, with the Python that runs here."""
        if spec.image == Image() and (await self.gateway.gateway()).address.local:
            spec = replace(spec, image=Image(python=sys.executable))
        return await self.gateway.ensure(spec)

    async def _open(self, session: Session, *, take: bool) -> Channels:
        """Raises why the session is gone if it was faster to fail than this is to connect."""
        try:
            stray = partial(self._overheard, session.key)
            return await Channels.open(session, self.gateway, stray, stays=self._stays, take=take)
        except SessionNotFound:
            raise lease_ended(await self.gateway.session(session.id), begun=False) from None

    async def _tell_progress(self, cell: RunningCell, channels: Channels) -> None:
        """While the cell has not begun: where its session is on the way to a kernel."""
        told = None
        while not cell.begun:
            await asyncio.sleep(PROGRESS_EVERY_S)
            try:
                session = await self.gateway.session(channels.session.id)
            except FarcellError as error:
                _log.debug("no progress of session %s: %s", channels.session.id, error)
                continue
            channels.session = session
            if told != (session.state, session.queue):
                told = (session.state, session.queue)
                cell.put(Progress(session))

    async def _why_lost(self, channels: Channels, cell: RunningCell) -> FarcellError:
        try:
            session = await self.gateway.session(channels.session.id)
        except SessionNotFound as error:
            return OutcomeUnknown(f"{error.message}: how far this cell came is unknown")
        except FarcellError:
            return link_lost(channels.session, begun=cell.begun)
        channels.session = session
        if holder := self._other_holder(session):
            return taken_over(session, holder.name, begun=cell.begun)
        return (
            lease_ended(session, begun=cell.begun)
            if session.state.is_over
            else link_lost(session, begun=cell.begun)
        )

    # --- what the gateway tells by itself ---

    def listen(self, changed: Callable[[Session], None]) -> None:
        """Tells one more of changes of sessions that this is attached to."""
        self._listeners.append(changed)

    async def _follow(self) -> None:
        """Hands on every change of a session that this client is attached to, as long as the client lives."""
        while True:
            try:
                await self.gateway.events(EventParser(self._heard).feed, EVENTS_QUIET_S)
            except FarcellError as error:
                _log.debug("no events: %s", error)
            await asyncio.sleep(EVENTS_AGAIN_S)

    def _heard(self, kind: str, body: Any) -> None:
        if kind != "session":
            return
        session = from_json(Session, body)
        attached = self._attached.get(session.key)
        if attached is not None and attached.channels.session.id == session.id:
            attached.channels.session = session
            for changed in self._listeners:
                try:
                    changed(session)
                except Exception:  # noqa: BLE001 (whoever listens must not end the listening)
                    _log.exception("a change of session %s could not be shown", session.id)

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
            self._following = None
        for channels, telling in list(self._telling.items()):
            telling.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._post_shown(channels)
        self._telling.clear()
        await self.shells.close()
        for attached in self._attached.values():
            attached.channels.close()
            attached.reading.cancel()
        await asyncio.gather(
            *(attached.reading for attached in self._attached.values()), return_exceptions=True
        )
        self._attached.clear()
        self.gateway.close()


def _unexpected(error: Exception) -> FarcellError:
    return InternalError(
        f"Farcell's client failed, which is a mistake of its own: {type(error).__name__}: {error}"
    )


def _me(name: str) -> Holder:
    """Who this process is; of its name, no more than a close frame has room for."""
    process = f"process {os.getpid()} on {socket.gethostname()}"
    return Holder(secrets.token_hex(16), f"{name[:60]} ({process[:50]})" if name else process[:100])
