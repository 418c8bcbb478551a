"""The ledger's book in the database: functions of a connection around the pure charges and bills of `ledger`."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, select

from ..api import Bill, CellRecord, Lease, LeaseId, Nanos, UserId, from_json, to_json
from ..ledger import BilledLease, Entry, make_bill, next_charge
from . import records
from .tables import entries, sessions


def charge(
    connection: Connection, lease: Lease, owner: UserId, *, attested_ms: int, elapsed_ms: int
) -> Entry | None:
    """Writes what is newly attested, if anything; told twice, or late, it changes nothing.

    `elapsed_ms` is the time since the kernel was ready by the gateway's own clock: no more is charged.
    """
    last = _last(connection, lease.id)
    entry = next_charge(
        lease, owner, last, attested_ms=attested_ms, elapsed_ms=elapsed_ms, at=datetime.now(UTC)
    )
    if entry is not None:
        connection.execute(insert(entries).values(_row(entry)))
    return entry


def _row(entry: Entry) -> dict[str, object]:
    values = to_json(entry)
    owner_id = values.pop("owner")
    return {**values, "id": entry.id, "owner_id": owner_id}


def _last(connection: Connection, lease_id: LeaseId) -> Entry | None:
    query = select(entries).where(entries.c.lease_id == lease_id).order_by(entries.c.seq.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else from_json(Entry, {**records.plain(row), "owner": row["owner_id"]})


def bill(connection: Connection, owner: UserId) -> Bill:
    """All that a user was charged, by cell and idle time."""
    cells: dict[LeaseId, list[CellRecord]] = defaultdict(list)
    for cell in records.read_cells(connection, owner):
        cells[cell.lease_id].append(cell)
    names = {row.id: row for row in connection.execute(select(sessions).where(sessions.c.owner_id == owner))}
    charged = _charged(connection, owner)
    return make_bill(
        BilledLease(
            lease=lease,
            session=names[lease.session_id].name,
            path=names[lease.session_id].path,
            charged_nanos=charged.get(lease.id, (Nanos(0), 0))[0],
            charged_ms=charged.get(lease.id, (Nanos(0), 0))[1],
            cells=tuple(cells[lease.id]),
        )
        for lease in records.read_leases(connection, owner)
    )


def _charged(connection: Connection, owner: UserId) -> dict[LeaseId, tuple[Nanos, int]]:
    """By lease: the sum of its charges, and the time that they are for."""
    query = (
        select(entries.c.lease_id, func.sum(entries.c.amount_nanos), func.max(entries.c.attested_ms))
        .where(entries.c.owner_id == owner)
        .group_by(entries.c.lease_id)
    )
    return {LeaseId(row[0]): (Nanos(int(row[1])), int(row[2])) for row in connection.execute(query)}


def totals(connection: Connection) -> dict[bool, int]:
    """What was charged to everybody, simulated money apart."""
    query = select(entries.c.simulated, func.sum(entries.c.amount_nanos)).group_by(entries.c.simulated)
    return {bool(row[0]): int(row[1]) for row in connection.execute(query)}
