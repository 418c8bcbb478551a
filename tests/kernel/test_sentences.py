"""What the notebook says in one line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tellings import ended_lease, lease, session

from farcell.kernel.sentences import cost_line, ended_line, idle_line, job_line, money, progress_line
from farcell.remote_runtime.api import BuildProgress, EndReason, IdleReport, QueuePlace, SessionState
from farcell.remote_runtime.client.cell import Ended
from farcell.remote_runtime.client.endings import format_duration
from farcell.remote_runtime.errors import OutcomeUnknown


def test_a_queued_session_tells_its_place_its_wait_and_why():
    queued = session(state=SessionState.QUEUED, lease=None, queue=QueuePlace(2, "1 of 1 H100 is held", 89.6))
    assert progress_line(queued) == "H100: place 2 in the queue, about 1 min 30 s: 1 of 1 H100 is held"


def test_an_unknown_wait_is_not_told():
    queued = session(state=SessionState.QUEUED, lease=None, queue=QueuePlace(1, "1 of 1 H100 is held"))
    assert progress_line(queued) == "H100: place 1 in the queue: 1 of 1 H100 is held"


def test_a_starting_session_says_what_starts():
    starting = session(state=SessionState.STARTING, lease=lease(simulated=True))
    assert progress_line(starting) == "H100 (simulated): starting"


def test_a_session_whose_image_is_built_tells_the_step_and_its_newest_line():
    building = session(state=SessionState.BUILDING, lease=None)
    assert progress_line(building) == "building image"
    step = BuildProgress(2, 4, "pip install torch")
    assert progress_line(replace(building, build=step)) == "building image: step 2 of 4: pip install torch"
    step = replace(step, line="  Resolved 24 packages ")
    told = "building image: step 2 of 4: pip install torch … Resolved 24 packages"
    assert progress_line(replace(building, build=step)) == told
    assert len(progress_line(replace(building, build=replace(step, what="a" * 999, line="b" * 999)))) < 250


def test_a_cell_tells_its_time_its_cost_and_its_device():
    ended = Ended({"status": "ok"}, None, session(), 1.32)
    assert cost_line(ended) == "1.32 s · $0.0014 · H100"


def test_a_job_tells_where_it_runs_and_for_how_long():
    assert job_line(1, "runs", Ended(None, None, session(), 12.9)) == "job 1 runs on H100 · 12 s"


def test_a_jobs_end_tells_what_became_of_it_and_what_it_cost():
    ended = Ended({"status": "ok"}, None, session(), 1.32)
    assert job_line(1, "done", ended) == "job 1 · 1.32 s · $0.0014 · H100"
    assert job_line(2, "failed: ValueError: no", ended) == (
        "job 2 failed: ValueError: no · 1.32 s · $0.0014 · H100"
    )


def test_a_job_whose_end_nobody_has_seen_tells_no_cost():
    lost = Ended(None, OutcomeUnknown("lost"), session(), 0.0)
    assert job_line(1, "has an unknown outcome", lost) == "job 1 has an unknown outcome"


def test_simulated_money_is_marked_as_such():
    ended = Ended({"status": "ok"}, None, session(lease=lease(simulated=True)), 1.32)
    assert cost_line(ended) == "1.32 s · $0.0014 (simulated) · H100 (simulated)"
    assert money(1_000_000_000, simulated=False) == "$1.00"
    assert money(1_000_000_000, simulated=True) == "$1.00 (simulated)"


def test_no_warning_is_out_while_nothing_is_about_to_stop():
    assert idle_line(session()) is None
    assert idle_line(session(idle=IdleReport(idle_s=10, stops_in_s=350))) is None


def test_a_warning_names_the_time_what_is_lost_and_the_way_out():
    warned = IdleReport(idle_s=300, stops_in_s=59.7, warned=True, unsaved=("x", "model"))
    assert (
        idle_line(session(idle=warned))
        == "h100 is idle and stops in 1 min; not saved: x, model · %gpu keep 1h"
    )


def test_an_ended_session_tells_why_what_it_cost_and_what_is_lost():
    ended = session(state=SessionState.STOPPED, lease=ended_lease(EndReason.IDLE, unsaved=("x",)))
    assert ended_line(ended) == "h100 on H100 ended (idle) · $0.0012 in all; not saved: x"


DURATIONS = {
    0: "0 s",
    0.004: "< 0.01 s",
    0.42: "0.42 s",
    5: "5 s",
    9.994: "9.99 s",
    12.34: "12.3 s",
    60: "1 min",
    245: "4 min 05 s",
    3600: "1 h",
    7385: "2 h 03 min",
}


@pytest.mark.parametrize("seconds", DURATIONS)
def test_a_duration_in_words(seconds: float):
    assert format_duration(seconds) == DURATIONS[seconds]
