"""Shows a notebook, as events of a cell, what a session's cells did while nobody looked."""

from __future__ import annotations

from ..api import LeaseId, Session
from ..journal import Record
from .away import Absence, Missed, outputs
from .cell import Away, AwayOutput, RunningCell
from .user_gateway import UserGateway


async def tell_missed(gateway: UserGateway, cell: RunningCell, session: Session) -> Missed | None:
    """What came behind what the session's notebook has shown, in the journal of its newest lease.

    The journal is read twice, since the first line about it says how much it is: it may be more than memory holds.
    """
    lease, shown = session.lease, session.shown
    if lease is None or lease.ready_at is None:
        return None
    after = shown.position if shown is not None and shown.lease_id == lease.id else 0
    absence = Absence(after)
    while records := await _read_journal(gateway, session, lease.id, absence.position):
        absence.feed(records)
    missed = absence.missed()
    if missed.cells:
        cell.put(Away(missed))
        await _tell_outputs(gateway, cell, session, lease.id, missed)
    return missed


async def _tell_outputs(
    gateway: UserGateway, cell: RunningCell, session: Session, lease_id: LeaseId, missed: Missed
) -> None:
    read = missed.after
    while read < missed.position and not cell.withdrawn:
        records = await _read_journal(gateway, session, lease_id, read)
        for record in records:
            if record.position > missed.position:
                return
            for output in outputs((record,)):
                await cell.room()
                cell.show(AwayOutput(output), len(record.body))
        read = records[-1].position if records else missed.position


async def _read_journal(
    gateway: UserGateway, session: Session, lease_id: LeaseId, after: int
) -> list[Record]:
    return await gateway.patiently(gateway.journal, session.id, lease_id, after)
