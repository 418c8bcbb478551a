from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.api import (
    CSV_COLUMNS,
    Bill,
    BillLine,
    CellRecord,
    ExecuteId,
    Lease,
    LeaseId,
    LeaseState,
    Nanos,
    SessionId,
    csv_rows,
    from_json,
    to_json,
)
from farcell.remote_runtime.ledger import BilledLease, make_bill

LEASE = Lease(
    id=LeaseId("lease"),
    session_id=SessionId("session"),
    offer="H100",
    spawner="process",
    count=2,
    devices=(),
    simulated=False,
    price_nanos_per_s=Nanos(1_000),
    state=LeaseState.ENDED,
    created_at=datetime(2026, 11, 1, tzinfo=UTC),
)


def cell(started_ms: int, ended_ms: int | None, number: int = 1) -> CellRecord:
    return CellRecord(LEASE.id, ExecuteId(f"cell-{number}"), number, started_ms, ended_ms, "ok")


def billed(nanos: int, charged_ms: int, *cells: CellRecord, lease: Lease = LEASE) -> BilledLease:
    return BilledLease(lease, "h100", "train.ipynb", Nanos(nanos), charged_ms, cells)


def costs(*leases: BilledLease) -> list[tuple[int | str, int, int]]:
    """Each line's number (or *idle*), milliseconds and nano-dollars."""
    lines = make_bill(leases).lines
    return [
        ("idle" if line.number is None else line.number, line.duration_ms, line.cost_nanos) for line in lines
    ]


def test_a_cell_costs_its_time_and_the_rest_is_idle():
    assert costs(billed(1_000, 1_000, cell(100, 400))) == [(1, 300, 300), ("idle", 700, 700)]


def test_cells_that_overlap_share_equally():
    assert costs(billed(1_000, 1_000, cell(0, 600, 1), cell(400, 1_000, 2))) == [(1, 600, 500), (2, 600, 500)]


def test_a_cell_inside_another_shares_only_its_own_time():
    inside = billed(1_200, 1_200, cell(0, 1_200, 1), cell(300, 900, 2), cell(400, 700, 3))
    assert costs(inside) == [(1, 1_200, 600 + 150 + 100), (2, 600, 150 + 100), (3, 300, 100)]


def test_a_running_cell_is_billed_up_to_the_last_attestation():
    assert costs(billed(500, 500, cell(100, None))) == [(1, 400, 400), ("idle", 100, 100)]


def test_what_ran_after_the_last_attestation_costs_nothing():
    late = billed(500, 500, cell(400, 9_000, 1), cell(600, 800, 2), cell(700, None, 3))
    assert costs(late) == [(1, 100, 100), (2, 0, 0), (3, 0, 0), ("idle", 400, 400)]


def test_a_cell_without_length_costs_nothing():
    assert costs(billed(100, 100, cell(50, 50))) == [(1, 0, 0), ("idle", 100, 100)]


def test_what_can_not_be_divided_goes_to_the_largest_remainder_then_to_the_first():
    assert costs(billed(100, 3, cell(0, 1, 1), cell(1, 2, 2), cell(2, 3, 3))) == [
        (1, 1, 34),
        (2, 1, 33),
        (3, 1, 33),
    ]


def test_cells_stand_by_their_start():
    assert [line[0] for line in costs(billed(9, 9, cell(5, 6, 2), cell(1, 2, 1)))] == [1, 2, "idle"]


def test_a_lease_without_charges_has_only_its_cells():
    assert costs(billed(0, 0, cell(0, 10))) == [(1, 0, 0)]


def test_simulated_money_is_a_sum_of_its_own():
    simulated = replace(LEASE, id=LeaseId("other"), simulated=True)
    bill = make_bill([billed(300, 300), billed(50, 50, lease=simulated)])
    assert (bill.total_nanos, bill.simulated_nanos) == (300, 50)
    assert [line.label for line in bill.lines] == ["H100:2", "H100:2 (simulated)"]


def test_no_leases_make_an_empty_bill():
    assert make_bill([]) == Bill((), Nanos(0), Nanos(0))


def test_a_line_names_session_path_lease_and_what_the_cell_used():
    record = replace(cell(0, 100, 7), peak_gpu_memory_bytes=5, peak_gpu_utilisation=0.5)
    assert make_bill([billed(100, 100, record)]).lines == (
        BillLine(
            session="h100",
            path="train.ipynb",
            lease_id=LEASE.id,
            label="H100:2",
            simulated=False,
            duration_ms=100,
            cost_nanos=Nanos(100),
            execute_id=ExecuteId("cell-7"),
            number=7,
            status="ok",
            peak_gpu_memory_bytes=5,
            peak_gpu_utilisation=0.5,
        ),
    )


def test_csv_has_units_in_its_header_and_exact_money():
    rows = list(
        csv_rows(make_bill([billed(1_000, 200, cell(0, 100), replace(cell(100, None, 2), status=None))]))
    )
    by_column = [dict(zip(CSV_COLUMNS, row, strict=True)) for row in rows]
    assert [(row["cell"], row["status"], row["cost_nanos"], row["cost_dollars"]) for row in by_column] == [
        (1, "ok", 500, "0.000000500"),
        (2, "running", 500, "0.000000500"),
    ]


def test_csv_leaves_an_idle_lines_cell_empty():
    (row,) = csv_rows(make_bill([billed(1_000, 200)]))
    assert row[:9] == ("h100", "train.ipynb", "lease", "H100:2", "false", "", "", "idle", 200)


moments_ms = st.integers(-50, 2_000)
cells = st.lists(st.builds(cell, moments_ms, st.none() | moments_ms, st.integers(1, 99)), max_size=12)
leases = st.builds(
    lambda nanos, ms, records, simulated: billed(
        nanos, ms, *records, lease=replace(LEASE, simulated=simulated)
    ),
    st.integers(0, 10**12),
    st.integers(0, 1_500),
    cells,
    st.booleans(),
)


@given(st.lists(leases, max_size=4))
def test_a_bill_adds_up_to_the_ledger_to_the_nano_dollar(billed_leases):
    bill = make_bill(billed_leases)
    charged = {
        simulated: sum(b.charged_nanos for b in billed_leases if b.lease.simulated == simulated)
        for simulated in (False, True)
    }
    assert (bill.total_nanos, bill.simulated_nanos) == (charged[False], charged[True])
    assert sum(line.cost_nanos for line in bill.lines) == sum(charged.values())
    assert all(line.cost_nanos >= 0 for line in bill.lines)


@given(leases)
def test_every_cell_has_one_line_and_idle_time_is_what_no_cell_covers(billed_lease):
    lines = make_bill([billed_lease]).lines
    by_cell = [line for line in lines if not line.is_idle]
    assert len(by_cell) == len(billed_lease.cells)
    covered = {
        moment
        for record in billed_lease.cells
        for moment in range(
            max(record.started_ms, 0),
            billed_lease.charged_ms
            if record.ended_ms is None
            else min(record.ended_ms, billed_lease.charged_ms),
        )
    }
    assert sum(line.duration_ms for line in lines if line.is_idle) == billed_lease.charged_ms - len(covered)


@given(leases)
def test_nobody_pays_more_than_the_time_it_ran_and_a_nano_dollar(billed_lease):
    for line in make_bill([billed_lease]).lines:
        if billed_lease.charged_ms:
            alone = billed_lease.charged_nanos * line.duration_ms / billed_lease.charged_ms
            assert line.cost_nanos <= alone * (1 + 1e-9) + 1


@given(st.lists(leases, max_size=2))
def test_a_bill_survives_json(billed_leases):
    bill = make_bill(billed_leases)
    assert from_json(Bill, to_json(bill)) == bill
