from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.api import Lease, LeaseId, LeaseState, Nanos, SessionId
from farcell.remote_runtime.ledger import Entry, income_account, next_charge, price, user_account

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
H100 = 1_097_000
rates = st.integers(0, 10**9)
times_ms = st.integers(0, 10**8)


def lease(rate: int = H100, *, simulated: bool = False) -> Lease:
    return Lease(
        id=LeaseId("lease"),
        session_id=SessionId("session"),
        offer="H100",
        spawner="process",
        count=1,
        devices=(),
        simulated=simulated,
        price_nanos_per_s=Nanos(rate),
        state=LeaseState.RUNNING,
        created_at=NOON,
    )


def charge(last: Entry | None, attested_ms: int, elapsed_ms: int | None = None, *, of: Lease | None = None):
    elapsed_ms = attested_ms if elapsed_ms is None else elapsed_ms
    return next_charge(of or lease(), "ann", last, attested_ms=attested_ms, elapsed_ms=elapsed_ms, at=NOON)


def charged(readings: list[int], of: Lease) -> list[Entry]:
    """All entries that a lease gets when it is attested so, one reading after the other."""
    book: list[Entry] = []
    for attested_ms in readings:
        entry = charge(book[-1] if book else None, attested_ms, of=of)
        book += [entry] if entry else []
    return book


@pytest.mark.parametrize(
    ("rate", "attested_ms", "nanos"),
    [
        (H100, 0, 0),
        (H100, 1, 109_700),
        (H100, 100, 109_700),
        (H100, 101, 219_400),
        (H100, 1_000, 1_097_000),
        (H100, 3_600_000, 3_949_200_000),
        (0, 5_000, 0),
        (1, 999, 1),
        (7, 100, 0),
        (7, 200, 1),
    ],
)
def test_every_tenth_of_a_second_that_has_begun_is_charged_and_no_part_of_a_nano(rate, attested_ms, nanos):
    assert price(rate, attested_ms) == nanos


@pytest.mark.parametrize(("rate", "attested_ms"), [(-1, 100), (1, -100)])
def test_a_negative_price_is_refused(rate, attested_ms):
    with pytest.raises(ValueError, match="negative"):
        price(rate, attested_ms)


@given(rates, times_ms, times_ms)
def test_more_time_never_costs_less(rate, one_ms, other_ms):
    assert price(rate, min(one_ms, other_ms)) <= price(rate, max(one_ms, other_ms))


def test_a_charge_moves_money_from_the_users_account_to_the_income():
    assert charge(None, 1_000) == Entry(
        lease_id=LeaseId("lease"),
        seq=1,
        owner="ann",
        debit=user_account("ann", simulated=False),
        credit=income_account(simulated=False),
        amount_nanos=Nanos(H100),
        attested_ms=1_000,
        simulated=False,
        at=NOON,
    )


def test_an_entrys_id_is_made_of_its_lease_and_its_number():
    assert [entry.id for entry in charged([1_000, 2_000], lease())] == ["lease:1", "lease:2"]


def test_the_same_reading_twice_makes_the_same_entry_so_that_writing_it_twice_changes_nothing():
    first = charge(None, 1_000)
    assert charge(first, 2_000) == charge(first, 2_000)


def test_simulated_money_has_accounts_of_its_own():
    entry = charge(None, 1_000, of=lease(simulated=True))
    assert entry is not None
    assert entry.simulated
    real = {user_account("ann", simulated=False), income_account(simulated=False)}
    assert real.isdisjoint({entry.debit, entry.credit})


def test_no_two_users_share_an_account():
    assert user_account("ann", simulated=False) != user_account("bob", simulated=False)


@pytest.mark.parametrize("attested_ms", [0, -5, 900, 1_000])
def test_nothing_new_makes_no_entry(attested_ms):
    assert charge(charge(None, 1_000), attested_ms) is None


def test_time_within_a_tenth_that_is_charged_makes_no_entry():
    first = charge(None, 1_010)
    assert charge(first, 1_090) is None
    later = charge(first, 1_110)
    assert later is not None
    assert later.amount_nanos == price(H100, 100)


def test_an_attestation_counts_up_to_the_gateways_own_clock():
    entry = charge(None, attested_ms=60_000, elapsed_ms=5_000)
    assert entry is not None
    assert entry.attested_ms == 5_000
    assert charge(entry, attested_ms=61_000, elapsed_ms=4_000) is None


def test_a_free_lease_is_written_with_its_time():
    assert [(entry.amount_nanos, entry.attested_ms) for entry in charged([500], lease(0))] == [(0, 500)]


@given(rates, st.lists(times_ms, min_size=1))
def test_charges_add_up_to_one_price_in_whatever_steps_and_order_they_come(rate, readings):
    total = sum(entry.amount_nanos for entry in charged(readings, lease(rate)))
    assert total == price(rate, max(readings))


@given(rates, st.lists(times_ms))
def test_entries_are_numbered_without_a_gap_and_never_go_backwards(rate, readings):
    book = charged(readings, lease(rate))
    assert [entry.seq for entry in book] == list(range(1, len(book) + 1))
    assert [entry.attested_ms for entry in book] == sorted({entry.attested_ms for entry in book})
    assert all(entry.amount_nanos >= 0 for entry in book)


@given(rates, st.lists(st.tuples(times_ms, times_ms)))
def test_no_more_is_charged_than_the_gateways_clock_allows(rate, readings):
    last = None
    total = 0
    for attested_ms, elapsed_ms in readings:
        entry = charge(last, attested_ms, elapsed_ms, of=lease(rate))
        last, total = (entry, total + entry.amount_nanos) if entry else (last, total)
    assert total <= price(rate, max((elapsed_ms for _, elapsed_ms in readings), default=0))
