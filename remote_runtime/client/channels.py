"""The way to one session's kernel: cells go out, their messages come back, also when connections break in between."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from tornado.websocket import WebSocketClientConnection, WebSocketClosedError

from ..api import LeaseId, Session, SessionSpec
from ..errors import FarcellError, SessionNotFound, TakenOver
from ..journal import Kind, Record, Replay
from ..wire import numbered
from ..wire.messages import KernelMessage, pack, unpack
from ..wire.numbered import OWN_CLIENTS, TAKEN_OVER
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

    async def connect(self, session_id: str, *, take: bool) -> WebSocketClientConnection: ...

    async def session(self, session_id: str, *, start: bool = True) -> Session: ...

    async def journal(self, session_id: str, lease_id: LeaseId, after: int) -> list[Record]:
        """The next records behind a position; none when it is that of the last."""


class Channels:
    """Serves the cells of one lease of a session. `closed` is set when it is of no use any more.

    As long as a cell waits (with `stays`: as long as the lease lasts), a broken connection is made again, what was
    missed is read in the session's journal, and what may not have arrived is sent again: the agent takes nothing twice.

    The connection is always read, so that it stays alive whatever has to be done first. While the journal is read, or
    who shows a cell is behind with it, what comes live is dropped: it is in the journal, and is read there, so much at
    a time as is taken.
    """

    def __init__(self, session: Session, way: Way, stray: Stray, *, stays: bool = False) -> None:
        self.closed = asyncio.Event()
        self._way = way
        self._stays = stays
        self._held = 0
        self._inbox = CellInbox(session, stray)
        self._connection: WebSocketClientConnection | None = None
        self._old_lease = session.lease_id if session.state.is_before_lease else None
        self._position: int | None = None
        self._replay = Replay({OWN_CLIENTS})
        self._catching_up: asyncio.Task[None] | None = None
        self._told = 0
        """The newest position that is known to be in the journal."""
        self._unwritten: list[numbered.Numbered] = []
        """What came meanwhile and is in no journal."""
        self._delay_s = 0.0
        self._taken_over = False

    @classmethod
    async def open(
        cls, session: Session, way: Way, stray: Stray, *, stays: bool = False, take: bool = True
    ) -> Channels:
        """The session may still wait for its container; what is sent then waits at the gateway.

        Without `take` raises `TakenOver` where another client has the session.
        """
        channels = cls(session, way, stray, stays=stays)
        channels._connection = await way.connect(session.id, take=take)
        return channels

    @property
    def position(self) -> int:
        """In the lease's journal, of the newest message; 0 before the first."""
        return self._position or 0

    @property
    def shown(self) -> int:
        """Up to there all is shown, of cells that are over; who attaches next gets one that runs from its beginning."""
        return self._inbox.shown_up_to(self.position)

    def go_on_after(self, missed: Missed) -> None:
        """What the journal had when it was read needs not come again."""
        self._position = missed.position
        self._inbox.adopt(missed.running)

    def go_on_from(self, before: Channels) -> None:
        """Goes on where broken channels to the same lease had come to."""
        self._position, self._replay = before._position, before._replay
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
        session = self.session
        same = session.request == spec.request and session.settings == spec.settings
        same_image = spec.keeps_image or session.image.is_same(spec.image)
        same_walls = spec.walls.over(session.walls) == session.walls
        return same and same_image and same_walls and not self.closed.is_set()

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
        return (bool(self._inbox) or self._stays or self._held > 0) and not self._taken_over

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
            try:
                while (data := await connection.read_message()) is not None:
                    if isinstance(data, bytes):
                        self._heard(numbered.unpack(data), connection)
            finally:
                await self._end_catching_up()
        except (FarcellError, WebSocketClosedError) as error:
            _log.warning("session %s: the link broke: %s", self.session.id, error)
        finally:
            self._closed_with(connection.close_code, connection.close_reason or "")
            connection.close()

    def _closed_with(self, code: int | None, reason: str) -> None:
        """What can't be mended by connecting again."""
        if code in REFUSED_WITH:
            self._inbox.refused(reason or "it is too large")
        elif code == TAKEN_OVER:
            self._taken_over = True
            self._inbox.taken_over(reason)

    # --- what comes live ---

    def _heard(self, live: numbered.Numbered, connection: WebSocketClientConnection) -> None:
        """A message that follows on what is known, that is known already, or that tells of something missed."""
        if self._catching_up is None and not self._must_wait(live):
            self._take(live)
            return
        self._told = max(self._told, live.previous, live.position)
        if live.message and not live.position:
            self._unwritten.append(live)
        if self._catching_up is None:
            self._catch_up_beside(connection, up=False)

    def _must_wait(self, live: numbered.Numbered) -> bool:
        is_first = self._position is None and live.message
        if not is_first and live.previous > self.position:
            return True
        if not live.position:
            return False
        return self._inbox.is_full or (
            self._inbox.has_unaccepted and self._inbox.may_end_kernel(unpack(live.message))
        )

    def _take(self, live: numbered.Numbered) -> None:
        if live.message and not 0 < live.position <= self.position:
            self._position = live.position or self._position
            self._inbox.received(unpack(live.message))

    # --- what was missed ---

    def _catch_up_beside(self, connection: WebSocketClientConnection, *, up: bool) -> None:
        """Reads the journal while the connection is read; a failure closes that. `up`: the link was broken before."""
        work = self._come_back() if up else self._follow_journal()
        self._catching_up = asyncio.create_task(work)
        self._catching_up.add_done_callback(lambda done: _close_if_failed(done, connection))

    async def _end_catching_up(self) -> None:
        """Raises what it failed with; what it has handed on is not handed on again."""
        task, self._catching_up = self._catching_up, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _come_back(self) -> None:
        await self._catch_up()
        self._delay_s = 0.0
        self._inbox.link_changed(up=True)
        for message in self._inbox.unheard():
            self.send(message)
        await self._follow_journal()

    async def _follow_journal(self) -> None:
        """Up to what the live messages have told of, which go on then."""
        while self.position < self._told:
            told = self._told
            await self._catch_up()
            self._position = max(self.position, told)  # what compaction left out does not come
        self._take_unwritten()
        self._catching_up = None

    def _take_unwritten(self) -> None:
        unwritten, self._unwritten = self._unwritten, []
        for live in unwritten:
            self._take(live)

    async def _catch_up(self) -> None:
        """Reads in the journal what came after the newest message, and which cells had arrived before it."""
        if self.lease_id is None:
            self.session = await self._way.session(self.session.id)
        if self.lease_id is None:
            return
        read = self._inbox.unaccepted_since(self.position)
        while records := await self._way.journal(self.session.id, self.lease_id, read):
            for record in records:
                await self._inbox.room()
                self._read_in_journal(record)
            read = records[-1].position
        for question in self._replay.questions():
            self._inbox.received(unpack(question.message), missed=True)

    def _read_in_journal(self, record: Record) -> None:
        """In their order, so that a kernel's end ends the cells that it had, and not those that came later."""
        if record.kind is Kind.ACCEPTED:
            self._inbox.accepted(bytes(record.body).decode())
        if record.position > self.position:
            self._position = record.position
            for found in self._replay.feed(record):
                self._inbox.received(unpack(found.message), missed=True)

    # --- a new connection ---

    async def _resume(self) -> None:
        """None when the lease is over, or another client's."""
        while self._wanted and self._connection is None:
            await asyncio.sleep(self._delay_s)
            self._delay_s = min(max(2 * self._delay_s, _FIRST_DELAY_S), _LAST_DELAY_S)
            try:
                if not await self._reconnect():
                    return
            except SessionNotFound:
                return
            except TakenOver as error:
                self._taken_over = True
                self._inbox.taken_over(str(error.details.get("by", "another client")))
                return
            except FarcellError as error:
                _log.info("session %s: no way to the gateway yet: %s", self.session.id, error)

    async def _reconnect(self) -> bool:
        session = await self._way.session(self.session.id, start=bool(self._inbox))
        if self.lease_id is None:
            self.session = session
        if session.state.is_over or self._lease_of(session) != self.lease_id:
            await self._catch_up()
            self._take_unwritten()
            return False
        connection = await self._way.connect(session.id, take=False)
        self.session = session
        self._connection = connection
        self._catch_up_beside(connection, up=True)
        return True


def _close_if_failed(done: asyncio.Task[None], connection: WebSocketClientConnection) -> None:
    if not done.cancelled() and done.exception() is not None:
        connection.close()
