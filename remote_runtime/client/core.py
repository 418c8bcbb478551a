"""The client's core: one event loop's view of the user's sessions; `blocking` is its face for notebooks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from tornado.websocket import WebSocketClientConnection

from ..api import (
    Bill,
    Image,
    LeaseId,
    Offer,
    Session,
    SessionKey,
    SessionSpec,
    SessionState,
    from_json,
    to_json,
)
from ..errors import (
    FarcellError,
    GatewayUnreachable,
    InternalError,
    OutcomeUnknown,
    SessionNotFound,
    Unauthorized,
)
from ..journal import Record
from .away import Missed, missed
from .cell import Away, CellRun, Ended, Progress
from .channels import SUBPROTOCOL, Channels
from .endings import lease_ended, link_lost, started_anew
from .gateway_client import GatewayClient
from .inbox import Stray
from .locate import connect
from .streams import EventParser, RecordParser

_log = logging.getLogger(__name__)

PROGRESS_EVERY_S = 0.5
_ENDED = (SessionState.STOPPED, SessionState.LOST)


EVENTS_AGAIN_S = 2.0
SHOWN_AFTER_S = 0.3
GOODBYE_S = 2.0


@dataclass(slots=True)
class _Attached:
    channels: Channels
    reading: asyncio.Task[None]


class Core:
    """Everything on one event loop. A gateway that went away is looked for again, and started if embedded."""

    def __init__(self, stray: Stray, changed: Callable[[Session], None]) -> None:
        self._stray = stray
        self._changed = changed
        self._following: asyncio.Task[None] | None = None
        self._telling: dict[Channels, asyncio.Task[None]] = {}
        self._gateway: GatewayClient | None = None
        self._attached: dict[SessionKey, _Attached] = {}
        self._sent: dict[str, Channels] = {}
        """Where the cells that run or wait were sent, by execute id."""
        self._opening: dict[SessionKey, asyncio.Lock] = {}

    # --- the gateway ---

    async def get(self, path: str) -> Any:
        return await self._ask("get_json", path)

    async def post(self, path: str, body: Any) -> Any:
        return await self._ask("post_json", path, body)

    async def delete(self, path: str) -> Any:
        return await self._ask("delete_json", path)

    async def _ask(self, verb: str, *arguments: Any) -> Any:
        """Once more, with a newly found gateway, when the known one is gone: restarted, it has another token."""
        gateway = await self.gateway()
        try:
            return await getattr(gateway, verb)(*arguments)
        except (GatewayUnreachable, Unauthorized):
            gateway = await self._find_again(gateway)
            return await getattr(gateway, verb)(*arguments)

    async def gateway(self) -> GatewayClient:
        if self._gateway is None:
            self._gateway = await connect()
        return self._gateway

    async def _find_again(self, lost: GatewayClient) -> GatewayClient:
        if self._gateway is lost:
            lost.close()
            self._gateway = None
        return await self.gateway()

    async def offers(self) -> list[Offer]:
        return [from_json(Offer, value) for value in (await self.get("/farcell/v1/offers"))["offers"]]

    async def sessions(self) -> list[Session]:
        return [from_json(Session, value) for value in (await self.get("/farcell/v1/sessions"))["sessions"]]

    async def session(self, session_id: str) -> Session:
        return from_json(Session, await self.get(f"/farcell/v1/sessions/{quote(session_id)}"))

    async def connect(self, session_id: str) -> WebSocketClientConnection:
        """A WebSocket to a session's kernel."""
        path = f"/api/kernels/{quote(session_id)}/channels"
        connection: WebSocketClientConnection = await self._ask("websocket", path, SUBPROTOCOL)
        return connection

    async def journal(self, session_id: str, lease_id: LeaseId, after: int) -> list[Record]:
        """What is in a lease's journal behind that position."""
        parser = RecordParser()
        path = f"/farcell/v1/sessions/{quote(session_id)}/journal?lease={lease_id}&after={after}"
        await self._ask("stream", path, parser.feed)
        return parser.records

    async def bill(self) -> Bill:
        return from_json(Bill, await self.get("/farcell/v1/bill"))

    async def log(self, session_id: str) -> str:
        return str((await self.get(f"/farcell/v1/sessions/{quote(session_id)}/logs"))["log"])

    async def stop(self, session_id: str) -> Session:
        return from_json(Session, await self.delete(f"/farcell/v1/sessions/{quote(session_id)}"))

    async def stop_all(self, chosen: Callable[[Session], bool]) -> None:
        """Ends the chosen ones of the sessions that live, all at once. No gateway is started for that."""
        if self._gateway is None:
            self._gateway = await connect(start=False)
        answer = await self._gateway.get_json("/farcell/v1/sessions")
        sessions = [from_json(Session, value) for value in answer["sessions"]]
        ended = [
            self._gateway.delete_json(f"/farcell/v1/sessions/{quote(session.id)}")
            for session in sessions
            if session.state not in _ENDED and chosen(session)
        ]
        await asyncio.gather(*ended)

    async def keep(self, session_id: str, seconds: float) -> Session:
        path = f"/farcell/v1/sessions/{quote(session_id)}/keep"
        return from_json(Session, await self.post(path, {"seconds": seconds}))

    async def interrupt(self, session_id: str) -> None:
        await self.post(f"/api/kernels/{quote(session_id)}/interrupt", {})

    async def restart(self, session_id: str) -> None:
        await self.post(f"/api/kernels/{quote(session_id)}/restart", {})

    # --- cells ---

    async def run_cell(self, cell: CellRun, spec: SessionSpec) -> None:
        """Runs a cell to its `Ended`, whatever happens on the way; cancelling withdraws it."""
        try:
            cell.put(await self._run(cell, spec))
        except FarcellError as error:
            cell.put(Ended(None, error, cell.session, 0.0))
        except Exception as error:  # noqa: BLE001 the notebook waits for the cell's end, whatever happens
            _log.exception("a cell of session %s failed", spec.key.name)
            cell.put(Ended(None, _unexpected(error), cell.session, 0.0))
        except asyncio.CancelledError:
            cell.put(Ended(None, OutcomeUnknown("the cell was withdrawn"), cell.session, 0.0))
            raise

    async def _run(self, cell: CellRun, spec: SessionSpec) -> Ended:
        channels, anew, missed = await self._attach(spec)
        cell.session = channels.session
        if missed is not None and missed.outputs:
            cell.put(Away(missed))
        if cell.withdrawn:
            await self._withdraw(channels)
            raise OutcomeUnknown("the cell was withdrawn before it began")
        progress = asyncio.create_task(self._tell_progress(cell, channels))
        self._sent[cell.source.execute_id] = channels
        try:
            finished = await channels.run(cell, anew)
        finally:
            del self._sent[cell.source.execute_id]
            progress.cancel()
        if finished is None:
            raise await self._why_lost(channels, cell)
        self._tell_shown(channels)
        return Ended(finished.reply, None, await self._with_lease(channels), finished.duration_s)

    async def _with_lease(self, channels: Channels) -> Session:
        """The session with the lease that the cell ran in, whose price tells the cell's cost."""
        lease = channels.session.lease
        if lease is None or lease.ended_at is not None:
            channels.session = await self.session(channels.session.id)
        return channels.session

    async def interrupt_cell(self, cell: CellRun) -> None:
        """Interrupts a cell that was sent, if its session has a kernel; otherwise the cell never begins."""
        channels = self._sent.get(cell.source.execute_id)
        if channels is None:
            cell.withdrawn = True
        elif not await self._withdraw(channels):
            await self.interrupt(channels.session.id)

    async def _withdraw(self, channels: Channels) -> bool:
        """Takes a session from the queue, or ends its container while that still starts; whether it did."""
        session = await self.session(channels.session.id)
        waits = session.state in (SessionState.QUEUED, SessionState.STARTING)
        if waits:
            await self.stop(session.id)
        return waits

    def send(self, spec: SessionSpec, message: Any) -> None:
        attached = self._attached.get(spec.key)
        if attached is not None:
            attached.channels.send(message)

    async def _attach(self, spec: SessionSpec) -> tuple[Channels, str | None, Missed | None]:
        """The session's open channels; opened, and the session started, where they are not.

        The first time, with what its cells did while no kernel of this notebook was attached.
        """
        async with self._opening.setdefault(spec.key, asyncio.Lock()):
            attached = self._attached.get(spec.key)
            if attached is not None and attached.channels.serve(spec):
                return attached.channels, None, None
            session = await self._ensure(spec)
            anew = started_anew(session)
            missed = await self.missed(session) if attached is None else None
            channels = await self._open(session)
            if missed is not None and session.state not in (SessionState.QUEUED, SessionState.STARTING):
                channels.go_on_after(missed)
            if attached is not None:
                attached.channels.close()
            self._attached[spec.key] = _Attached(channels, asyncio.create_task(channels.read()))
            if self._following is None:
                self._following = asyncio.create_task(self._follow())
            return channels, anew, missed

    async def missed(self, session: Session) -> Missed | None:
        """From the journal of the session's newest lease: what came behind what its notebook has shown."""
        lease, shown = session.lease, session.shown
        if lease is None or lease.ready_at is None:
            return None
        after = shown.position if shown is not None and shown.lease_id == lease.id else 0
        return missed(await self.journal(session.id, lease.id, after), after)

    def _tell_shown(self, channels: Channels) -> None:
        """A moment later, and once for cells that follow each other closely."""
        if channels not in self._telling:
            self._telling[channels] = asyncio.create_task(self._tell_shown_soon(channels))

    async def _tell_shown_soon(self, channels: Channels) -> None:
        await asyncio.sleep(SHOWN_AFTER_S)
        del self._telling[channels]
        await self._post_shown(channels)

    async def _post_shown(self, channels: Channels) -> None:
        path = f"/farcell/v1/sessions/{quote(channels.session.id)}/shown"
        with contextlib.suppress(FarcellError):
            await self.post(path, {"position": channels.position})

    async def _ensure(self, spec: SessionSpec) -> Session:
        """The session, started where it was not; on the user's own machine, with the Python that runs here."""
        if spec.image == Image() and (await self.gateway()).address.local:
            spec = replace(spec, image=Image(python=sys.executable))
        return from_json(Session, await self.post("/farcell/v1/sessions", to_json(spec)))

    async def _open(self, session: Session) -> Channels:
        """Raises why the session is gone if it was faster to fail than this is to connect."""
        try:
            return await Channels.open(session, self, self._stray)
        except SessionNotFound:
            raise lease_ended(await self.session(session.id), begun=False) from None

    async def _tell_progress(self, cell: CellRun, channels: Channels) -> None:
        """While the cell has not begun: where its session is on the way to a kernel."""
        told = None
        while not cell.begun:
            await asyncio.sleep(PROGRESS_EVERY_S)
            try:
                session = await self.session(channels.session.id)
            except FarcellError as error:
                _log.debug("no progress of session %s: %s", channels.session.id, error)
                continue
            channels.session = session
            if told != (session.state, session.queue):
                told = (session.state, session.queue)
                cell.put(Progress(session))

    async def _why_lost(self, channels: Channels, cell: CellRun) -> FarcellError:
        try:
            session = await self.session(channels.session.id)
        except SessionNotFound as error:
            return OutcomeUnknown(f"{error.message}: how far this cell came is unknown")
        except FarcellError:
            return link_lost(channels.session, begun=cell.begun)
        channels.session = session
        return (
            lease_ended(session, begun=cell.begun)
            if session.state in _ENDED
            else link_lost(session, begun=cell.begun)
        )

    # --- what the gateway tells by itself ---

    async def _follow(self) -> None:
        """Hands on every change of a session that this client is attached to, as long as the client lives."""
        while True:
            try:
                if self._gateway is not None:  # it is not for this to start one
                    await self._gateway.stream("/farcell/v1/events", EventParser(self._heard).feed)
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
            self._changed(session)

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
        for attached in self._attached.values():
            attached.channels.close()
            attached.reading.cancel()
        await asyncio.gather(
            *(attached.reading for attached in self._attached.values()), return_exceptions=True
        )
        self._attached.clear()
        if self._gateway is not None:
            self._gateway.close()
            self._gateway = None


def _unexpected(error: Exception) -> FarcellError:
    return InternalError(
        f"Farcell's client failed, which is a mistake of its own: {type(error).__name__}: {error}"
    )
