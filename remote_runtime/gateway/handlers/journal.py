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
    """A query: which lease's journal, and behind which position."""

    lease: str
    after: Annotated[int, Meta(ge=0, le=MAX_POSITION)]


class SessionJournal(JsonHandler):
    """``GET /farcell/v1/sessions/{id}/journal?lease=ID&after=POSITION``: the records behind that position.

    They come as they lie on disk (`journal.format`). Without `lease` it is the newest one's. The body ends with the
    last record that is there now.
    """

    @Operation(
        "A session's output, as its journal has it", media=MEDIA, query=Span, refuses=(SessionNotFound,)
    )
    async def get(self, session_id: str) -> None:
        lease_id = await self._lease(session_id)
        after = self.get_query_argument("after", "0")
        if not re.fullmatch("[0-9]{1,19}", after) or int(after) > MAX_POSITION:
            raise BadRequest(
                f"a journal's positions are whole numbers up to {MAX_POSITION}, not {after[:80]!r}"
            )
        self.set_header("Content-Type", MEDIA)
        self.set_header("Farcell-Lease", lease_id)
        reader = JournalReader(self.gateway.keeper.folders.journal(lease_id))
        records_left = reader.read(int(after))
        try:
            while piece := await asyncio.to_thread(_piece, records_left):
                self.write(piece)
                await self.flush()
        except StreamClosedError:
            return

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


def _piece(records_left: Iterator[Record]) -> bytes:
    """The next records, of about `PIECE_BYTES`, or one that is larger."""
    packed, size = [], 0
    for record in records_left:
        packed.append(pack(record))
        size += len(packed[-1])
        if size >= PIECE_BYTES:
            break
    return b"".join(packed)
