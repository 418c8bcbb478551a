"""Charges: money for attested time, written in double entry, rounded once per lease.

Charge n of a lease is the price of all that is attested by then less the price of what was attested before,
so the charges of a lease add up to one price, however often and in whatever steps it was attested.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from ..api import Lease, LeaseId, Nanos

Account = NewType("Account", str)

STEP_MS = 100
STEPS_PER_S = 1_000 // STEP_MS


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the book: `amount_nanos` moves from `debit` to `credit`.

    `seq` counts a lease's entries from 1. `attested_ms` is cumulative: all of the lease that is charged with
    this entry. Writing an entry whose `id` is in the book changes nothing.
    """

    lease_id: LeaseId
    seq: int
    owner: str
    debit: Account
    credit: Account
    amount_nanos: Nanos
    attested_ms: int
    simulated: bool
    at: datetime

    @property
    def id(self) -> str:
        return f"{self.lease_id}:{self.seq}"


def user_account(owner: str, *, simulated: bool) -> Account:
    """What a user has spent; simulated money has accounts of its own, which no real money ever reaches."""
    return Account(f"{_book(simulated)}/user/{owner}")


def income_account(*, simulated: bool) -> Account:
    """What the gateway has charged to all users."""
    return Account(f"{_book(simulated)}/income")


def price(price_nanos_per_s: int, attested_ms: int) -> Nanos:
    """What attested time costs: every 100 ms that has begun is charged whole.

    A part of a nano-dollar is not charged: prices that are no multiple of 10 round down, once, on the lease's
    total.
    """
    if price_nanos_per_s < 0 or attested_ms < 0:
        raise ValueError(f"a price of {price_nanos_per_s} for {attested_ms} ms is negative")
    return Nanos(price_nanos_per_s * _steps(attested_ms) // STEPS_PER_S)


def next_charge(
    lease: Lease, owner: str, last: Entry | None, *, attested_ms: int, elapsed_ms: int, at: datetime
) -> Entry | None:
    """The entry to write now, or None when nothing new is attested.

    `last` is the lease's newest entry in the book. `attested_ms` is what the agent says it has run since its
    kernel was ready; it counts up to `elapsed_ms`, the same by the gateway's own clock. It may be said twice,
    late or out of order. `lease.attested_ms` is not read: the book knows best.
    """
    charged_ms = last.attested_ms if last else 0
    total_ms = min(attested_ms, elapsed_ms)
    if total_ms <= charged_ms or _steps(total_ms) == _steps(charged_ms):
        return None
    rate = lease.price_nanos_per_s
    return Entry(
        lease_id=lease.id,
        seq=last.seq + 1 if last else 1,
        owner=owner,
        debit=user_account(owner, simulated=lease.simulated),
        credit=income_account(simulated=lease.simulated),
        amount_nanos=Nanos(price(rate, total_ms) - price(rate, charged_ms)),
        attested_ms=total_ms,
        simulated=lease.simulated,
        at=at,
    )


def _steps(milliseconds: int) -> int:
    return -(-milliseconds // STEP_MS)


def _book(simulated: bool) -> str:  # noqa: FBT001 (the two books are named nowhere else)
    return "simulated" if simulated else "real"
