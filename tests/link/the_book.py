"""Whether what was charged is the price of what was attested, from the gateway's database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from farcell.remote_runtime.ledger.charges import price


def charged_and_owed(folder: Path) -> dict[str, tuple[int, int]]:
    """By lease: the sum of its charges, and the price of all that is attested; and no number of a charge is missing."""
    query = (
        "select lease_id, sum(amount_nanos), max(entries.attested_ms), count(*), max(seq), price_nanos_per_s "
        "from entries join leases on leases.id = lease_id group by lease_id"
    )
    with closing(sqlite3.connect(folder / "gateway.sqlite")) as database:
        rows = database.execute(query).fetchall()
    assert all(count == last for *_, count, last, _ in rows)
    return {lease: (int(paid), int(price(rate, int(attested)))) for lease, paid, attested, _, _, rate in rows}
