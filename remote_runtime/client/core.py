"""The client's core: one event loop's view of the user's sessions; `blocking` is its face for notebooks."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from ..api import Holder, Session, SessionKey, SessionSpec
from ..errors import BadRequest, FarcellError, InternalError, OutcomeUnknown, SessionNotFound
from ..wire.messages import KernelMessage, decode
from .absence import tell_missed
from .attachments import Attachments, Stray
from .cell import Ended, Progress, RunningCell
from .changes import SessionChanges
from .channels import Channels
from .endings import lease_ended, link_lost, taken_over
from .far_shells import FarShells, cancel_job, deletion_of, make_subshell
from .inbox import Finished
from .requests import Requests
from .shown import ShownMarks
from .user_gateway import UserGateway

_log = logging.getLogger(__name__)

PROGRESS_EVERY_S = 0.5


class Core:
    """Runs cells on the user's gateway, which others may ask too; everything on one event loop.

    With `stays`, it keeps the way to a session open between cells too, as long as the session has a container. `name`
    is what others are told when this client takes a session over.
    """

    def __init__(
        self, stray: Stray, changed: Callable[[Session], None], *, stays: bool = False, name: str = ""
    ) -> None:
        self.gateway = UserGateway(_me(name))
        self.shells = FarShells(self)
        self._stray = stray
        self._attachments = Attachments(self.gateway, self._overheard, stays=stays)
        self._changes = SessionChanges(self.gateway, self._attachments.noted)
        self._changes.listen(changed)
        self._shown = ShownMarks(self.gateway)
        self._requests = Requests()
        self._sent: dict[str, Channels] = {}
        """Where the cells that run or wait were sent, by execute id."""

    # --- cells ---

    async def run_cell(self, cell: RunningCell, spec: SessionSpec, *, take: bool = False) -> None:
        """Runs a cell to its `Ended`, whatever happens on the way; cancelling withdraws it.

        `take`: also where another client has taken the session over, which is then told in its turn.
        """
        await self._to_end(cell, spec.key.name, self._run(cell, spec, take=take))

    async def show_missed(self, cell: RunningCell, session: Session) -> None:
        """As `cell`'s events, what a session's cells did behind what its notebook has shown; nothing is started."""
        await self._to_end(cell, session.name, self._show_missed(cell, session))

    async def _show_missed(self, cell: RunningCell, session: Session) -> Ended:
        await tell_missed(self.gateway, cell, session)
        return Ended(None, None, session, 0.0)

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
        channels, anew = await self._attachments.attach(cell, spec, take=take)
        self._changes.follow()
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
        self._shown.tell_soon(channels)
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
        """Ends a session's wait for its image or a device, or its container while that still starts; whether it did."""
        session = await self.gateway.session(channels.session.id)
        if session.state.is_on_the_way:
            await self.gateway.stop(session.id)
        return session.state.is_on_the_way

    def answer(self, cell: RunningCell, message: KernelMessage) -> None:
        """Answers a cell's question; silent when the cell is over."""
        channels = self._sent.get(cell.source.execute_id)
        if channels is not None:
            channels.answer(cell.source.execute_id, message)

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
            if told != (session.state, session.queue, session.build):
                told = (session.state, session.queue, session.build)
                cell.put(Progress(session))

    async def _why_lost(self, channels: Channels, cell: RunningCell) -> FarcellError:
        try:
            session = await self.gateway.session(channels.session.id)
        except SessionNotFound as error:
            return OutcomeUnknown(f"{error.message}: how far this cell came is unknown")
        except FarcellError:
            return link_lost(channels.session, begun=cell.begun)
        channels.session = session
        if holder := self._attachments.other_holder(session):
            return taken_over(session, holder.name, begun=cell.begun)
        return (
            lease_ended(session, begun=cell.begun)
            if session.state.is_over
            else link_lost(session, begun=cell.begun)
        )

    # --- everything else that a front end says ---

    def attached(self, key: SessionKey) -> Session | None:
        """The session if a kernel of its can be asked now, without starting anything."""
        return self._attachments.session(key)

    def ask(self, key: SessionKey, message: KernelMessage) -> None:
        """Sends a session's kernel a request that is no cell; what comes of it is stray. Silent where none is there."""
        channels = self._attachments.channels(key)
        if channels is not None and self.attached(key) is not None:
            channels.ask(message)

    async def request(self, key: SessionKey, message: KernelMessage) -> KernelMessage:
        """As `ask`; gives the reply, whenever that comes. Raises `SessionNotFound` where no kernel is there."""
        if self.attached(key) is None:
            raise SessionNotFound(f"session {key.name} has no kernel that could be asked")
        reply = self._requests.reply_to(message, key)
        self.ask(key, message)
        return await reply

    def busy(self, key: SessionKey) -> bool:
        """Whether a cell of this client's runs or waits in the session, be it a job: its widgets are its shell's."""
        return self._attachments.channels(key) in self._sent.values()

    def keep_open(self, key: SessionKey) -> None:
        """The way to the session stays open between cells too, as long as its container lives."""
        channels = self._attachments.channels(key)
        if channels is not None:
            channels.stay()

    def _overheard(
        self, key: SessionKey, message: KernelMessage, header: dict[str, Any], parent: dict[str, Any]
    ) -> None:
        if not parent and header.get("msg_type") == "status":
            self.shells.forget(key)
            if decode(message.content).get("execution_state") == "restarting":
                self._requests.lost(key)
        if not self._requests.received(message, parent):
            self._stray(key, message, header, parent)

    # --- what the gateway tells by itself ---

    def listen(self, changed: Callable[[Session], None]) -> None:
        """Tells one more of changes of sessions that this is attached to."""
        self._changes.listen(changed)

    async def close(self) -> None:
        await self._changes.close()
        await self._shown.close()
        await self.shells.close()
        await self._attachments.close()
        self.gateway.close()


def _unexpected(error: Exception) -> FarcellError:
    return InternalError(
        f"Farcell's client failed, which is a mistake of its own: {type(error).__name__}: {error}"
    )


def _me(name: str) -> Holder:
    """Who this process is; of its name, no more than a close frame has room for."""
    process = f"process {os.getpid()} on {socket.gethostname()}"
    return Holder(secrets.token_hex(16), f"{name[:60]} ({process[:50]})" if name else process[:100])
