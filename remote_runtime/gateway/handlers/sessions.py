"""Farcell's own resources: sessions, leases, offers, the bill, events."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, TypedDict

from msgspec import Meta, Struct
from tornado.iostream import StreamClosedError

from ... import api
from ...api import Session, SessionKey, SessionSpec, from_json, to_json
from ...api.json_form import encode
from ...errors import (
    BadRequest,
    Conflict,
    NoSuchOffer,
    SessionHoldsOther,
    SessionNotFound,
    Unavailable,
    UnknownGpu,
)
from .. import book, records
from ..events import Event
from ..sessions import MAX_KEEP_S
from .base import JsonHandler
from .journal import MAX_POSITION
from .operation import Everybody, Operation

HEARTBEAT_S = 15.0
"""A comment line in the event stream, so that both ends notice a dead connection."""

MAX_KEY_BYTES = {"machine": 200, "path": 1024, "name": 800}


GONE = (SessionNotFound, Unavailable)


class OffersAnswer(TypedDict):
    offers: list[api.Offer]


class SessionsAnswer(TypedDict):
    sessions: list[Session]


class LeasesAnswer(TypedDict):
    leases: list[api.Lease]


class KeepWish(Struct):
    """The body of a POST to ``keep``; the desk refuses in words what is beyond the bounds."""

    seconds: Annotated[float, Meta(extra_json_schema={"minimum": 0, "maximum": MAX_KEEP_S})]


class ShownNote(Struct):
    """The body of a POST to ``shown``: a position in the lease's journal."""

    position: Annotated[int, Meta(ge=0, le=MAX_POSITION)]


class ShownAnswer(TypedDict):
    """Nothing: that it was answered says all."""


def session_json(session: Session) -> dict[str, Any]:
    return {**to_json(session), **session.facts()}


class Offers(JsonHandler):
    """``GET /farcell/v1/offers``."""

    @Operation("What can be had now", OffersAnswer)
    async def get(self) -> None:
        offers = await self.gateway.places.offers()
        self.write_json({"offers": [{**to_json(offer), **offer.facts()} for offer in offers]})


class Sessions(JsonHandler):
    """``GET /farcell/v1/sessions[?all=1]`` and ``POST``, whose body is a `SessionSpec`."""

    @Operation("One's sessions, the newest first", SessionsAnswer, query=Everybody)
    async def get(self) -> None:
        sessions = await self.gateway.desk.list(self.user, everybody=self.wants_all())
        self.write_json({"sessions": [session_json(session) for session in sessions]})

    @Operation(
        "The session of that key, with a container or in the queue for one",
        Session,
        takes=SessionSpec,
        refuses=(UnknownGpu, NoSuchOffer, SessionHoldsOther),
    )
    async def post(self) -> None:
        spec = from_json(SessionSpec, self.body(), self.gateway.places.table)
        _check_key(spec.key)
        self.write_json(session_json(await self.gateway.desk.ensure(self.user, spec)))


def _check_key(key: SessionKey) -> None:
    """What a database can index: PostgreSQL takes no zero bytes, and about 2,700 bytes in all."""
    for name, value in (("machine", key.machine), ("path", key.path), ("name", key.name)):
        if len(value.encode()) > MAX_KEY_BYTES[name] or "\0" in value:
            raise BadRequest(f"a key's {name} has at most {MAX_KEY_BYTES[name]} bytes, none of them zero")


class OneSession(JsonHandler):
    """``GET`` and ``DELETE /farcell/v1/sessions/{id}``; the latter ends its lease."""

    @Operation("One session", Session, refuses=(SessionNotFound,))
    async def get(self, session_id: str) -> None:
        self.write_json(session_json(await self.gateway.desk.find(self.user, session_id)))

    @Operation("Leaves the queue, or ends the session's lease", Session, refuses=(SessionNotFound,))
    async def delete(self, session_id: str) -> None:
        await self.gateway.desk.stop(self.user, session_id)
        self.write_json(session_json(await self.gateway.desk.find(self.user, session_id)))


class KeepSession(JsonHandler):
    """``POST /farcell/v1/sessions/{id}/keep``, whose body is ``{"seconds": 3600}``."""

    @Operation("Postpones the idle stop", Session, takes=KeepWish, refuses=(*GONE, Conflict))
    async def post(self, session_id: str) -> None:
        self.gateway.desk.keep(self.user, session_id, from_json(KeepWish, self.body()).seconds)
        self.write_json(session_json(await self.gateway.desk.find(self.user, session_id)))


class ShownSession(JsonHandler):
    """``POST /farcell/v1/sessions/{id}/shown``, whose body is ``{"position": POSITION}`` of the lease's journal."""

    @Operation("The notebook has shown the output up to there", ShownAnswer, takes=ShownNote, refuses=GONE)
    def post(self, session_id: str) -> None:
        self.gateway.desk.shown(self.user, session_id, from_json(ShownNote, self.body()).position)
        self.write_json(ShownAnswer())


class Leases(JsonHandler):
    """``GET /farcell/v1/leases[?all=1]``."""

    @Operation("One's leases, also those that have ended", LeasesAnswer, query=Everybody)
    async def get(self) -> None:
        owner = None if self.wants_all() else self.user.id
        leases = await self.gateway.database.read(lambda connection: records.read_leases(connection, owner))
        self.write_json({"leases": to_json(leases)})


class Bill(JsonHandler):
    """``GET /farcell/v1/bill``: what was charged, by cell and idle time, up to the newest attestation.

    What agents told before is in it.
    """

    @Operation("What was charged", api.Bill)
    async def get(self) -> None:
        await self.gateway.keeper.bookkeeper.flush()
        bill = await self.gateway.database.write(lambda connection: book.bill(connection, self.user.id))
        self.write_json(to_json(bill))


class Events(JsonHandler):
    """``GET /farcell/v1/events[?all=1]``: server-sent, ``session`` with its JSON; ``reset``: read everything again."""

    _queue: asyncio.Queue[Event] | None = None
    _gone = False

    @Operation("What changes, as server-sent events", media="text/event-stream", query=Everybody)
    async def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        with self.gateway.events.listen(None if self.wants_all() else self.user.id) as queue:
            self._queue = queue
            try:
                await self._send(b": here\n\n")
                while not self._gone:
                    await self._send(await _next(queue))
            except StreamClosedError:
                return

    async def _send(self, data: bytes) -> None:
        self.write(data)
        await self.flush()

    def on_connection_close(self) -> None:
        """Wakes `get`, which would else see it at the next heartbeat."""
        super().on_connection_close()
        self._gone = True
        if self._queue is not None and self._queue.empty():
            self._queue.put_nowait(Event("reset", None, {}))


async def _next(queue: asyncio.Queue[Event]) -> bytes:
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            event = await queue.get()
    except TimeoutError:
        return b": still here\n\n"
    return b"event: %s\ndata: %s\n\n" % (event.kind.encode(), encode(event.body))
