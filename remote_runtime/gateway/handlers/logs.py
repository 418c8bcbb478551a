"""Logs: of a session with its image's build, of one lease; the end of them, or what came since."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Annotated, TypedDict

from msgspec import Meta

from ...api import LeaseId, LeaseState, Session
from ...errors import BadRequest, NotFound, SessionNotFound
from ...logs.format import LogLine
from .. import records
from ..session_logs import MAX_LINES, PIECE_BYTES, SOURCES, Cursor, LogFiles, as_text
from .base import JsonHandler
from .operation import Operation

LINE_BYTES = 256
"""What a line takes, roughly: from how far back the asked number of lines is looked for."""
MAX_WAIT_S = 30.0
LOOK_EVERY_S = 0.25


class LogAnswer(TypedDict):
    """`lease` is None for a session that never had one. Asked again with `cursor`, the log goes on behind it.

    `over`: nothing will come any more.
    """

    lease: str | None
    log: str
    cursor: str
    over: bool


class LogSpan(TypedDict, total=False):
    """A query: of the log's end so many lines, or what came behind a cursor, waited for so long; of one source."""

    lines: Annotated[int, Meta(ge=0, le=MAX_LINES)]
    cursor: str
    wait: Annotated[int, Meta(ge=0, le=int(MAX_WAIT_S))]
    source: str


class _Logs(JsonHandler):
    """What both have in common: `_files` says where the log lies, and `_is_over` whether it grows."""

    _gone = False

    async def answer(self, session: Session, lease_id: LeaseId | None = None) -> None:
        """Of that lease alone, or of whatever lease the session has by now."""
        source = self.get_query_argument("source", "")
        if source and source not in SOURCES:
            raise BadRequest(f"a log's source is {', '.join(SOURCES)}, not {source[:80]!r}")
        cursor = self.get_query_argument("cursor", "")
        wanted = self._number("lines", 0, MAX_LINES)
        wait_s = self._number("wait", 0, int(MAX_WAIT_S))
        until = time.monotonic() + wait_s
        after = Cursor.parse(cursor) if cursor else None
        while True:
            over = await self._is_over(session, lease_id)
            files = self._files(session, lease_id)
            lines, after = await asyncio.to_thread(_read, files, after, wanted)
            lines = [line for line in lines if not source or line.source in (source, "farcell")]
            if lines or over or self._gone or time.monotonic() >= until:
                break
            await asyncio.sleep(LOOK_EVERY_S)
            session = await self.gateway.desk.find(self.user, session.id)
        goes_on = bool(cursor) or wait_s > 0
        marked = not source and (goes_on or len({line.source for line in lines}) > 1)
        log = as_text(lines, marked=marked)
        self.write_json(LogAnswer(lease=files.lease_id, log=log, cursor=str(after), over=over and not lines))

    def _number(self, name: str, default: int, most: int) -> int:
        text = self.get_query_argument(name, str(default))
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) > most:
            raise BadRequest(f"{name!r} is a whole number up to {most}, not {text[:80]!r}")
        return int(text)

    def _files(self, session: Session, lease_id: LeaseId | None) -> LogFiles:
        folders = self.gateway.keeper.folders
        if lease_id is not None:
            return folders.log_files(lease_id)
        return folders.log_files(session.lease_id, session.image.digest if session.image.is_built else None)

    async def _is_over(self, session: Session, lease_id: LeaseId | None) -> bool:
        if lease_id is None:
            return session.state.is_over
        lease = await self.gateway.database.read(lambda connection: records.read_lease(connection, lease_id))
        return lease is None or lease.state is LeaseState.ENDED

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._gone = True


class LeaseLogs(_Logs):
    """``GET /farcell/v1/logs/{lease}``: what a lease's processes wrote, also when it has ended."""

    @Operation(
        "A lease's log: its end, or what came since", LogAnswer, query=LogSpan, refuses=(SessionNotFound,)
    )
    async def get(self, lease: str) -> None:
        lease_id = LeaseId(lease)
        found = await self.gateway.database.read(lambda connection: records.read_lease(connection, lease_id))
        if found is None:
            raise NotFound(f"there is no lease {lease_id}")
        await self.answer(await self.gateway.desk.find(self.user, found.session_id), lease_id)


class SessionLogs(_Logs):
    """``GET /farcell/v1/sessions/{id}/logs``: its image's build, and its newest lease's log."""

    @Operation(
        "The same of a session's newest lease, and its image's build",
        LogAnswer,
        query=LogSpan,
        refuses=(SessionNotFound,),
    )
    async def get(self, session_id: str) -> None:
        await self.answer(await self.gateway.desk.find(self.user, session_id))


def _read(files: LogFiles, after: Cursor | None, wanted: int) -> tuple[list[LogLine], Cursor]:
    """Behind the cursor, or the last `wanted` lines (0: as many as fit into a piece)."""
    if after is not None:
        return files.read(after)
    max_bytes = max(PIECE_BYTES, wanted * LINE_BYTES)
    lines, cursor = files.read(files.end(max_bytes), max_bytes)
    return lines[-wanted:] if wanted else lines, cursor
