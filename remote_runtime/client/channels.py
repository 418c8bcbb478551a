"""The way to one session's kernel: cells go out, their messages come back, also when connections break in between."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from tornado.websocket import WebSocketClientConnection, WebSocketClosedError

from ..api import LeaseId, Session, SessionSpec, SessionState
from ..errors import FarcellError, SessionNotFound
from ..journal.format import Kind, Record
from ..journal.replay import replay
from ..wire import numbered
from ..wire.messages import KernelMessage, pack, unpack
from ..wire.numbered import OWN_CLIENTS
from .away import Missed
from .cell import RunningCell
from .inbox import CellInbox, Finished, Stray

_log = logging.getLogger(__name__)

REFUSED_WITH = (1007, 1009)
"""How the gateway closes on a message that it will never take; sent again, it would be closed on again."""
_FIRST_DELAY_S, _LAST_DELAY_S = 0.05, 2.0


class Way(Protocol):
    """How to reach the gateway, wherever it is now; each raises `FarcellError`.

    With `start` false, no gateway is started for a question.
    """

    async def connect(self, session_id: str) -> WebSocketClientConnection: ...

    async def session(self, session_id: str, *, start: bool = True) -> Session: ...

    async def journal(self, session_id: str, lease_id: LeaseId, after: int) -> list[Record]: ...


class Channels:
    """Serves the cells of one lease of a session. `closed` is set when it is of no use any more.

    As long as a cell waits (with `stays`: as long as the lease lasts), a broken connection is made again, what was
    missed is read in the session's journal, and what may not have arrived is sent again: the agent takes nothing twice.
    """

    def __init__(self, session: Session, way: Way, stray: Stray, *, stays: bool = False) -> None:
        self.closed = asyncio.Event()
        self._way = way
        self._stays = stays
        self._held = 0
        self._inbox = CellInbox(session, stray)
        self._connection: WebSocketClientConnection | None = None
        self._old_lease = session.lease_id if session.state is SessionState.QUEUED else None
        self._position: int | None = None

    @classmethod
    async def open(cls, session: Session, way: Way, stray: Stray, *, stays: bool = False) -> Channels:
        """The session may still wait for its container; what is sent then waits at the gateway."""
        channels = cls(session, way, stray, stays=stays)
        channels._connection = await way.connect(session.id)
        return channels

    @property
    def position(self) -> int:
        """In the lease's journal, of the newest message; 0 before the first."""
        return self._position or 0

    def go_on_after(self, missed: Missed) -> None:
        """What the journal had when it was read needs not come again."""
        self._position = missed.position
        self._inbox.adopt(missed.running)

    def take_over(self, before: Channels) -> None:
        """Goes on where broken channels to the same lease had come to."""
        self._position = before._position
        self._stays = self._stays or before._stays

    @property
    def session(self) -> Session:
        return self._inbox.session

    @session.setter
    def session(self, session: Session) -> None:
        self._inbox.session = session

    @property
    def lease_id(self) -> LeaseId | None:
        """The lease that is served, once it is known."""
        return self._lease_of(self.session)

    def _lease_of(self, session: Session) -> LeaseId | None:
        """None while the session waits for another than the one it had before."""
        return session.lease_id if session.lease_id != self._old_lease else None

    def serve(self, spec: SessionSpec) -> bool:
        """Whether a cell that asks for `spec` can go this way."""
        same = self.session.request == spec.request and self.session.settings == spec.settings
        return same and not self.closed.is_set()

    def send(self, message: KernelMessage) -> None:
        """Silent while there is no connection: what was not heard goes out again over the next."""
        if self._connection is not None:
            with contextlib.suppress(WebSocketClosedError):
                written = self._connection.write_message(pack(message), binary=True)
                written.add_done_callback(lambda done: done.cancelled() or done.exception())

    def ask(self, message: KernelMessage) -> None:
        """Sends a request that is no cell; what comes of it is stray."""
        self._inbox.asked(message)
        self.send(message)

    def answer(self, execute_id: str, message: KernelMessage) -> None:
        """Answers a cell's question; once more over the next connection if it may not have arrived."""
        self._inbox.answered(execute_id, message)
        self.send(message)

    async def run(self, cell: RunningCell, anew: str | None) -> Finished | None:
        """Sends a cell and waits for its end; None when nothing more comes from its container.

        Raises `OutcomeUnknown` when the kernel was replaced meanwhile.
        """
        with self._inbox.waiting(cell, anew, after=self.position) as waiting:
            if self.closed.is_set():
                return None
            self.send(cell.source.request())
            return await waiting.end

    async def read(self) -> None:
        """Hands messages on until the lease is over, or the connection breaks while nobody waits; a task of its own."""
        try:
            while self._connection is not None:
                await self._read(self._connection)
                self._connection = None
                if self._wanted:
                    self._inbox.link_changed(up=False)
                    await self._resume()
        finally:
            self.closed.set()
            self._inbox.end()

    @property
    def _wanted(self) -> bool:
        return bool(self._inbox) or self._stays or self._held > 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """As if opened with `stays`, as long as this lasts."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    def stay(self) -> None:
        """As if opened with `stays`."""
        self._stays = True

    def close(self) -> None:
        self._stays = False
        if self._connection is not None:
            self._connection.close()

    async def _read(self, connection: WebSocketClientConnection) -> None:
        try:
            while (data := await connection.read_message()) is not None:
                if isinstance(data, bytes):
                    await self._received(numbered.unpack(data))
        except (FarcellError, WebSocketClosedError) as error:
            _log.warning("session %s: the link broke: %s", self.session.id, error)
        finally:
            if connection.close_code in REFUSED_WITH:
                self._inbox.refused(connection.close_reason or "it is too large")
            connection.close()

    async def _received(self, live: numbered.Numbered) -> None:
        """A message that follows on what is known, that is known already, or that tells of something missed."""
        is_first = self._position is None and live.message
        if not is_first and live.previous > (self._position or 0):
            await self._catch_up()
        if live.message and not 0 < live.position <= (self._position or 0):
            self._position = live.position or self._position
            self._inbox.received(unpack(live.message))

    async def _resume(self) -> None:
        """A new connection, and what was missed; none when the lease is over."""
        delay_s = _FIRST_DELAY_S
        while self._wanted and self._connection is None:
            try:
                if not await self._reconnect():
                    return
            except SessionNotFound:
                return
            except FarcellError as error:
                _log.info("session %s: no way to the gateway yet: %s", self.session.id, error)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, _LAST_DELAY_S)

    async def _reconnect(self) -> bool:
        session = await self._way.session(self.session.id, start=bool(self._inbox))
        if self.lease_id is None:
            self.session = session
        if session.state.is_over or self._lease_of(session) != self.lease_id:
            await self._catch_up()
            return False
        connection = await self._way.connect(session.id)
        self.session = session
        try:
            await self._catch_up()
        except FarcellError:
            connection.close()
            raise
        self._connection = connection
        self._inbox.link_changed(up=True)
        for message in self._inbox.unheard():
            self.send(message)
        return True

    async def _catch_up(self) -> None:
        """Reads in the journal what came after the newest message, and which cells had arrived before it."""
        if self.lease_id is None:
            return
        after = self.position
        since = self._inbox.unaccepted_since(after)
        records = await self._way.journal(self.session.id, self.lease_id, since)
        for found in replay(self._noting_accepted(records), after, {OWN_CLIENTS}):
            self._inbox.received(unpack(found.message), missed=True)
        if records:
            self._position = max(after, records[-1].position)

    def _noting_accepted(self, records: list[Record]) -> Iterator[Record]:
        """In their order, so that a kernel's end ends the cells that it had, and not those that came later."""
        for record in records:
            if record.kind is Kind.ACCEPTED:
                self._inbox.accepted(bytes(record.body).decode())
            yield record
