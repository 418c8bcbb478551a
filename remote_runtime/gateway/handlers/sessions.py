"""Farcell's own resources: sessions, leases, offers, the bill, events."""

from __future__ import annotations

import asyncio
from typing import Any

from tornado.iostream import StreamClosedError

from ...api import LeaseId, Session, SessionKey, SessionSpec, from_json, to_json
from ...api.json_form import encode
from ...errors import BadRequest, NotFound
from .. import book, records
from ..events import Event
from .base import JsonHandler

MAX_LOG_BYTES = 256 << 10
HEARTBEAT_S = 15.0
"""A comment line in the event stream, so that both ends notice a dead connection."""

MAX_KEY_BYTES = {"machine": 200, "path": 1024, "name": 800}


def session_json(session: Session) -> dict[str, Any]:
    return {**to_json(session), **session.facts()}


class Offers(JsonHandler):
    """``GET /farcell/v1/offers``."""

    async def get(self) -> None:
        offers = await self.gateway.places.offers()
        self.write_json({"offers": [{**to_json(offer), "label": offer.label} for offer in offers]})


class Sessions(JsonHandler):
    """``GET /farcell/v1/sessions[?all=1]`` and ``POST``, whose body is a `SessionSpec`."""

    async def get(self) -> None:
        sessions = await self.gateway.desk.list(self.user, everybody=self.wants_all())
        self.write_json({"sessions": [session_json(session) for session in sessions]})

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

    async def get(self, session_id: str) -> None:
        self.write_json(session_json(await self.gateway.desk.find(self.user, session_id)))

    async def delete(self, session_id: str) -> None:
        await self.gateway.desk.stop(self.user, session_id)
        self.write_json(session_json(await self.gateway.desk.find(self.user, session_id)))


class KeepSession(JsonHandler):
    """``POST /farcell/v1/sessions/{id}/keep``, whose body is ``{"seconds": 3600}``."""

    async def post(self, session_id: str) -> None:
        body = self.body()
        seconds = body.get("seconds") if isinstance(body, dict) else None
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise BadRequest('keep takes {"seconds": NUMBER}')
        self.gateway.desk.keep(self.user, session_id, float(seconds))
        self.write_json(session_json(await self.gateway.desk.find(self.user, session_id)))


class ShownSession(JsonHandler):
    """``POST /farcell/v1/sessions/{id}/shown``, whose body is ``{"position": POSITION}`` of the lease's journal."""

    def post(self, session_id: str) -> None:
        body = self.body()
        position = body.get("position") if isinstance(body, dict) else None
        if not isinstance(position, int) or isinstance(position, bool) or not 0 <= position < 1 << 63:
            raise BadRequest('shown takes {"position": WHOLE NUMBER}')
        self.gateway.desk.shown(self.user, session_id, position)
        self.write_json({})


class Logs(JsonHandler):
    """``GET /farcell/v1/logs/{lease}``: the end of what a lease's processes wrote, also when it has ended."""

    async def get(self, asked: str) -> None:
        lease_id = LeaseId(asked)
        lease = await self.gateway.database.read(lambda connection: records.read_lease(connection, lease_id))
        if lease is None:
            raise NotFound(f"there is no lease {asked}")
        await self.gateway.desk.find(self.user, lease.session_id)
        self.write_json({"lease": lease_id, "log": await self.log(lease_id)})

    async def log(self, lease_id: LeaseId) -> str:
        return await asyncio.to_thread(self.gateway.keeper.folders.log_tail, lease_id, MAX_LOG_BYTES)


class SessionLogs(Logs):
    """``GET /farcell/v1/sessions/{id}/logs``: the same of a session's newest lease."""

    async def get(self, session_id: str) -> None:
        session = await self.gateway.desk.find(self.user, session_id)
        lease_id = session.lease_id
        self.write_json({"lease": lease_id, "log": await self.log(lease_id) if lease_id else ""})


class Leases(JsonHandler):
    """``GET /farcell/v1/leases[?all=1]``."""

    async def get(self) -> None:
        owner = None if self.wants_all() else self.user.id
        leases = await self.gateway.database.read(lambda connection: records.read_leases(connection, owner))
        self.write_json({"leases": to_json(leases)})


class Bill(JsonHandler):
    """``GET /farcell/v1/bill``: what was charged, by cell and idle time, up to the newest attestation.

    What agents told before is in it.
    """

    async def get(self) -> None:
        await self.gateway.keeper.bookkeeper.flush()
        bill = await self.gateway.database.write(lambda connection: book.bill(connection, self.user.id))
        self.write_json(to_json(bill))


class Events(JsonHandler):
    """``GET /farcell/v1/events[?all=1]``: server-sent, ``session`` with its JSON; ``reset``: read everything again."""

    _queue: asyncio.Queue[Event] | None = None
    _gone = False

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
