"""``farcell bill``: one bill in three forms, each adding up."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from farcell_command import Person

from farcell.remote_runtime.api import (
    CSV_COLUMNS,
    Bill,
    BillLine,
    LeaseId,
    Nanos,
    Request,
    SessionKey,
    SessionSpec,
)
from farcell.remote_runtime.api.identifiers import ExecuteId
from farcell.remote_runtime.cli.tables import bill_table, show
from farcell.remote_runtime.client.blocking import Client
from farcell.remote_runtime.client.cell import CellSource, Ended, new_header


def line(device: str, duration_ms: int, cost_nanos: int, **facts: Any) -> BillLine:
    simulated = "simulated" in device
    return BillLine(
        "far", "a.ipynb", LeaseId("l"), device, simulated, duration_ms, Nanos(cost_nanos), **facts
    )


LINES = (
    line("H100", 1500, 1_645_500, execute_id=ExecuteId("e1"), number=3, status="ok"),
    line("H100", 700, 767_901),
    line("T4 (simulated)", 9, 1_476, execute_id=ExecuteId("e2")),
)


def shown(bill: Bill, capsys: pytest.CaptureFixture[str]) -> list[str]:
    show(bill_table(bill))
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_a_table_adds_up_as_one_sees_it_and_keeps_simulated_money_apart(capsys):
    assert shown(Bill(LINES, Nanos(2_413_401), Nanos(1_476)), capsys) == [
        "notebook session device cell status seconds dollars",
        "a.ipynb far H100 [3] ok 1.5 0.001645500",
        "a.ipynb far H100 idle 0.7 0.000767901",
        "a.ipynb far T4 (simulated) running 0.0 0.000001476",
        "sum 0.002413401",
        "sum (simulated) 0.000001476",
    ]


def test_without_simulated_lines_there_is_one_sum(capsys):
    assert shown(Bill((), Nanos(0), Nanos(0)), capsys)[1:] == ["sum 0.000000000"]


@pytest.fixture
def billed(person: Person, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """One cell on a simulated T4 of the embedded gateway."""
    monkeypatch.setenv("FARCELL_SIMULATE", "T4")
    spec = SessionSpec(SessionKey("test", "analysis.ipynb", "T4"), Request.parse("T4"))
    with closing(Client()) as client:
        cell = client.run_cell(CellSource("sum(range(10))", new_header(), number=7), spec)
        while not isinstance(event := cell.next(60), Ended):
            pass
        assert event.reply["status"] == "ok"
        client.stop(event.session.id)
    yield person
    person.told("down")


def test_a_cells_bill_is_one_in_all_forms(billed: Person):
    rows = list(csv.DictReader(billed.told("bill", "--csv").splitlines()))
    document = json.loads(billed.told("bill", "--json"))
    table = billed.told("bill")

    assert tuple(rows[0]) == CSV_COLUMNS
    assert [(row["cell"], row["status"], row["simulated"]) for row in rows] == [
        ("7", "ok", "true"),
        ("", "idle", "true"),
    ]
    total = sum(int(row["cost_nanos"]) for row in rows)
    assert total > 0
    assert (document["total_nanos"], document["simulated_nanos"]) == (0, total)
    assert sum(Decimal(row["cost_dollars"]) for row in rows) == Decimal(total).scaleb(-9)
    assert "T4 (simulated)" in table
    assert table.rstrip().endswith(f"{Decimal(total).scaleb(-9):.9f}")
