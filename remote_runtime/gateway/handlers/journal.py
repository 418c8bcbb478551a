"""A session's journal: what a client that was away reads, also when no container runs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Annotated, TypedDict

from msgspec import Meta
from tornado.iostream import StreamClosedError

from ...api import LeaseId
from ...errors import BadRequest, NotFound, SessionNotFound
from ...journal import JournalReader, Record
from ...journal.format import pack
from .. import records
from .base import JsonHandler
from .operation import Operation

PIECE_BYTES = 1 << 20
MAX_POSITION = (1 << 63) - 1
MEDIA = "application/vnd.farcell.journal"


class Span(TypedDict, total=False):
    """A query: which lease's journal, behind which position, and of about how many bytes."""

    lease: str
    after: Annotated[int, Meta(ge=0, le=MAX_POSITION)]
    limit: Annotated[int, Meta(ge=0, le=MAX_POSITION)]


class SessionJournal(JsonHandler):
    """``GET /farcell/v1/sessions/{id}/journal?lease=ID&after=POSITION&limit=BYTES``: the records behind that position.

    They come as they lie on disk (`journal.format`). Without `lease` it is the newest one's. The body ends with the
    last record that is there now, or with the one by which it has `limit` bytes: who wants more asks again, behind it.
    """

    @Operation(
        "A session's output, as its journal has it", media=MEDIA, query=Span, refuses=(SessionNotFound,)
    )
    async def get(self, session_id: str) -> None:
        lease_id = await self._lease(session_id)
        after, limit = self._number("after", 0), self._number("limit", MAX_POSITION)
        self.set_header("Content-Type", MEDIA)
        self.set_header("Farcell-Lease", lease_id)
        reader = JournalReader(self.gateway.keeper.folders.journal(lease_id))
        records_left = reader.read(after)
        try:
            while limit > 0 and (piece := await asyncio.to_thread(_piece, records_left, limit)):
                limit -= len(piece)
                self.write(piece)
                await self.flush()
        except StreamClosedError:
            return

    def _number(self, name: str, default: int) -> int:
        text = self.get_query_argument(name, str(default))
        if not re.fullmatch("[0-9]{1,19}", text) or int(text) > MAX_POSITION:
            raise BadRequest(f"{name!r} is a whole number up to {MAX_POSITION}, not {text[:80]!r}")
        return int(text)

    async def _lease(self, session_id: str) -> LeaseId:
        """The lease that is asked for, if it is one of this session's; else `NotFound`."""
        session = await self.gateway.desk.find(self.user, session_id)
        asked = LeaseId(self.get_query_argument("lease", session.lease_id or ""))
        leases = await self.gateway.database.read(
            lambda connection: records.leases_of_session(connection, session.id)
        )
        if asked not in leases:
            raise NotFound(f"session {session.name} has no lease {asked!r}")
        return asked


def _piece(records_left: Iterator[Record], limit: int) -> bytes:
    """The next records, of about `PIECE_BYTES` or the limit, or one that is larger."""
    packed, size = [], 0
    for record in records_left:
        packed.append(pack(record))
        size += len(packed[-1])
        if size >= min(PIECE_BYTES, limit):
            break
    return b"".join(packed)
