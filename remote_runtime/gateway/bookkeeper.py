"""What agents attest, on its way into the book: gathered for a moment, then written in one transaction a lease.

Cells' messages pass the gateway while this waits: a database's work never comes between a cell and its reply.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from ..api import Lease, LeaseId, LeaseState
from ..ledger import Entry
from ..wire import control
from . import book, records
from .background import Background
from .database import Database
from .live_session import LiveSession

_log = logging.getLogger(__name__)

WRITTEN_AFTER_S = 0.2
"""What agents told within it is lost with a gateway that is killed; the time, but not the cells, they tell again."""


@dataclass(slots=True)
class _Told:
    """What one lease's agent told since the last writing: the newest word on each cell, and on the time."""

    live: LiveSession
    lease: Lease
    cells: dict[str, control.Cell] = field(default_factory=dict)
    uptime_ms: int = 0
    elapsed_ms: int = 0

    def write(self, connection: Connection) -> Entry | None:
        for cell in self.cells.values():
            records.write_cell(connection, self.lease.id, cell)
        return book.charge(
            connection,
            self.lease,
            self.live.owner,
            attested_ms=self.uptime_ms,
            elapsed_ms=self.elapsed_ms,
        )


class Bookkeeper:
    """`changed` is called with a session that was charged."""

    def __init__(
        self, database: Database, background: Background, changed: Callable[[LiveSession], None]
    ) -> None:
        self._database = database
        self._background = background
        self._changed = changed
        self._told: dict[LeaseId, _Told] = {}

    def cell_changed(self, live: LiveSession, cell: control.Cell) -> None:
        """A cell began or ended; its end attests the time up to then."""
        if live.lease is None:
            return
        self._told_by(live, live.lease).cells[cell.execute_id] = cell
        if cell.ended_ms is not None:
            self.attested(live, cell.ended_ms)

    def attested(self, live: LiveSession, uptime_ms: int) -> None:
        """Charges what is new. An agent attests no more than has passed here."""
        if live.lease is None or live.lease.state is LeaseState.ENDED:
            return
        elapsed_ms = live.elapsed_ms()
        attested_ms = max(min(uptime_ms, elapsed_ms), live.lease.attested_ms)
        live.lease = replace(live.lease, attested_ms=attested_ms)
        told = self._told_by(live, live.lease)
        told.lease, told.elapsed_ms = live.lease, elapsed_ms
        told.uptime_ms = max(told.uptime_ms, uptime_ms)

    async def flush(self) -> None:
        """Returns when all that was told before is written."""
        writing = (self._write(lease_id) for lease_id in list(self._told))
        for failure in filter(None, await asyncio.gather(*writing, return_exceptions=True)):
            _log.error("what an agent told was not written", exc_info=failure)

    def _told_by(self, live: LiveSession, lease: Lease) -> _Told:
        told = self._told.get(lease.id)
        if told is None:
            told = self._told[lease.id] = _Told(live, lease)
            self._background.spawn(self._write_soon(lease.id), f"booking lease {lease.id}")
        return told

    async def _write_soon(self, lease_id: LeaseId) -> None:
        """Also when the gateway ends meanwhile."""
        try:
            await asyncio.sleep(WRITTEN_AFTER_S)
        finally:
            await self._write(lease_id)

    async def _write(self, lease_id: LeaseId) -> None:
        told = self._told.pop(lease_id, None)
        if told is None:
            return
        entry = await self._database.write(told.write)
        if entry is not None:
            told.live.session = replace(
                told.live.session, cost_nanos=told.live.session.cost_nanos + entry.amount_nanos
            )
            self._changed(told.live)
