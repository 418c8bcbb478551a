"""What ``%gpu offers``, ``sessions``, ``status`` and ``bill`` show, held by golden files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tellings import bill_line, lease, offer, session

from farcell.kernel.reports import (
    JobReport,
    bill_table,
    jobs_table,
    offers_table,
    sessions_table,
    signals_line,
)
from farcell.kernel.tables import Table
from farcell.remote_runtime.api import Bill, IdleReport, Isolation, QueuePlace, SessionState, Signal, Walls
from farcell.remote_runtime.client.cell import Ended
from farcell.remote_runtime.errors import OutcomeUnknown

GOLDEN = Path(__file__).parents[1] / "golden" / "kernel"

SIMULATED = lease(offer="T4", simulated=True)
QUIET = (
    Signal("cell", busy=False, value="0 running", quiet_s=62.0),
    Signal("cpu", busy=False, value="0", quiet_s=70.0),
)
BURNING = Signal("cpu", busy=True, value="0.97 cores", quiet_s=0.0)

SESSIONS = [
    session(idle=IdleReport(idle_s=62.4, stops_in_s=297.6, signals=QUIET)),
    session("training", idle=IdleReport(signals=(QUIET[0], BURNING))),
    session("kept", idle=IdleReport(signals=QUIET)),
    session("next", state=SessionState.QUEUED, lease=None, queue=QueuePlace(3, "all are held"), cost_nanos=0),
    session("t4", "other.ipynb", state=SessionState.STOPPED, lease=lease(offer="T4", simulated=True)),
]
BILL = Bill(
    (
        bill_line(execute_id="c1", number=3, status="ok"),
        bill_line(execute_id="c2", number=4, status="error", duration_ms=61_000, cost_nanos=66_917_000),
        bill_line(execute_id="c3", number=None, duration_ms=4, cost_nanos=4_388),
        bill_line(duration_ms=300_000, cost_nanos=329_100_000),
        bill_line(
            label="T4 (simulated)", session="t4", simulated=True, execute_id="c4", number=5, status="ok"
        ),
        bill_line(path="other.ipynb", duration_ms=1000, cost_nanos=1_097_000),
    ),
    398_763_888,
    1_645_500,
)
OFFERS = [
    offer(),
    offer("T4", memory_bytes=16 << 30, count_free=0, price_nanos_per_s=164_000, simulated=True),
    offer("cpu", gpu=None, memory_bytes=2 << 30, count_total=8, count_free=8, price_nanos_per_s=17_540),
]
JOBS = [
    JobReport(1, "runs", 3, Ended(None, None, session(), 12.345), "\n  import torch\ntrain()"),
    JobReport(
        2, "failed", None, Ended({"status": "error"}, None, session("t4", lease=SIMULATED), 61.0), "1 / 0"
    ),
    JobReport(3, "has an unknown outcome", 5, Ended(None, OutcomeUnknown("lost"), None, 0.0), "pass"),
]
TABLES = {
    "offers": offers_table(OFFERS),
    "status": sessions_table(SESSIONS[:4], with_path=False),
    "sessions": sessions_table(SESSIONS, with_path=True),
    "bill": bill_table(BILL, "analysis.ipynb"),
    "jobs": jobs_table(JOBS),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_looks_as_its_golden_file(name: str):
    assert f"{TABLES[name]!r}\n" == (GOLDEN / f"{name}.txt").read_text("utf-8")


def test_every_golden_file_has_its_table():
    assert {path.stem for path in GOLDEN.iterdir()} == TABLES.keys()


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (offers_table([]), "this gateway offers nothing at the moment"),
        (jobs_table([]), "no jobs yet: %%gpu --bg makes one of its cell"),
        (sessions_table([], with_path=False), "no sessions yet: write %%gpu with a GPU on top of a cell"),
    ],
    ids=["offers", "jobs", "sessions"],
)
def test_an_empty_table_is_a_sentence(table: Table, sentence: str):
    assert repr(table) == sentence


def test_real_and_simulated_money_are_never_added():
    assert BILL.total_nanos == sum(line.cost_nanos for line in BILL.lines if not line.simulated)
    here, everywhere = bill_table(BILL, "analysis.ipynb").footer
    assert here == "this notebook: $0.3977 and $0.0016 (simulated)"
    assert everywhere == "all notebooks: $0.3988 and $0.0016 (simulated)"


def test_a_notebook_that_cost_nothing_is_told_so():
    shown = repr(bill_table(replace(BILL, lines=(), total_nanos=0, simulated_nanos=0), "analysis.ipynb"))
    assert shown.splitlines()[0] == "this notebook has cost nothing yet"


def test_idle_signals_are_told_each_with_its_clock():
    told = signals_line(session(idle=IdleReport(signals=(QUIET[0], BURNING))))
    assert told == "h100: cell quiet for 1 min 02 s, cpu busy (0.97 cores)"


def test_a_session_without_signals_has_no_line():
    assert signals_line(session()) == ""


def test_walls_are_told_where_some_were_asked_for():
    walls = Walls.parse("sandbox", "pypi.org")
    table = sessions_table([session(), session("safe", walls=walls)], with_path=True)
    assert table.columns[-2:] == ("walls", "notebook")
    assert [row[-2] for row in table.rows] == ["", "network pypi.org, isolation sandbox"]


def test_isolations_and_the_operators_folders_are_told_with_an_offer():
    walled = offer(
        isolation=Isolation.CONTAINER,
        isolations=(Isolation.CONTAINER, Isolation.SANDBOX),
        mounts=("/data (read-only)",),
    )
    table = offers_table([offer(), walled])
    assert table.columns[-2:] == ("isolation", "folders")
    assert [row[-2:] for row in table.rows] == [("none", ""), ("container or sandbox", "/data (read-only)")]
