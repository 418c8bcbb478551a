"""When a container is idle: every rule, on a clock of the test's own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.agent.idle import (
    BUSY_CPU,
    BUSY_GPU,
    INPUT_PATIENCE_S,
    WARNING_S,
    Action,
    IdleJudge,
    Sample,
)

IDLE_S = 300.0
QUIET: dict[str, Any] = {"cells_running": 0}
BUSY: dict[str, Any] = {"cells_running": 1}
ASKS: dict[str, Any] = {"cells_running": 1, "waits_for_input": True}


class Clock:
    """A judge and its time."""

    def __init__(self, idle_s: float = IDLE_S, busy_cap_s: float = 86_400.0) -> None:
        self.now = 1000.0
        self.judge = IdleJudge(idle_s, busy_cap_s, started_at=self.now)

    def after(self, seconds: float, **sample: Any) -> Action:
        """What is to be done when that is seen so much later."""
        self.now += seconds
        return self.judge.observe(Sample(self.now, **sample))

    @property
    def report(self) -> Any:
        return self.judge.report


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_quiet_container_is_warned_of_and_then_stops(clock):
    assert clock.after(IDLE_S - 1, **QUIET) is Action.NONE
    assert clock.after(1, **QUIET) is Action.WARN
    assert clock.after(WARNING_S - 1, **QUIET) is Action.NONE
    assert clock.after(1, **QUIET) is Action.STOP


def test_the_countdown_is_told_all_the_way(clock):
    told = []
    for seconds in (0, 100, 200, 30, 30):
        clock.after(seconds, **QUIET)
        told.append((clock.report.idle_s, clock.report.stops_in_s, clock.report.warned))
    assert told == [
        (0, 360, False),
        (100, 260, False),
        (300, 60, True),
        (330, 30, True),
        (360, 0, True),
    ]


def test_the_warning_is_given_once(clock):
    actions = [clock.after(step, **QUIET) for step in (IDLE_S, 1, 1, 1)]
    assert actions == [Action.WARN, Action.NONE, Action.NONE, Action.NONE]


def test_the_countdown_begins_with_the_warning_however_late_that_is(clock):
    """A machine that slept, or an agent that was held up, warns before it stops all the same."""
    assert clock.after(100 * IDLE_S, **QUIET) is Action.WARN
    assert clock.report.stops_in_s == WARNING_S


def test_a_short_idle_time_has_a_countdown_as_short():
    clock = Clock(idle_s=10)
    assert clock.after(10, **QUIET) is Action.WARN
    assert clock.report.stops_in_s == 10
    assert clock.after(10, **QUIET) is Action.STOP


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("cell", BUSY),
        ("cpu", QUIET | {"cpu": BUSY_CPU}),
        ("gpu", QUIET | {"gpu": BUSY_GPU}),
        ("transfers", QUIET | {"transfers": 1}),
    ],
)
def test_each_signal_keeps_the_container_by_itself(clock, name, sample):
    clock.after(IDLE_S, **QUIET)
    assert clock.after(WARNING_S, **sample) is Action.NONE
    assert [signal.name for signal in clock.report.signals if signal.busy] == [name]
    assert (clock.report.stops_in_s, clock.report.warned) == (None, False)
    assert clock.after(IDLE_S - 1, **QUIET) is Action.NONE
    assert clock.after(1, **QUIET) is Action.WARN


def test_what_is_a_little_below_its_threshold_is_quiet(clock):
    assert clock.after(IDLE_S, **QUIET, cpu=0.049, gpu=0.049) is Action.WARN


def test_signals_are_told_in_one_order_with_their_values_and_clocks(clock):
    clock.after(5, **BUSY, cpu=0.5)
    clock.after(10, **QUIET, cpu=0.004, gpu=0.02, transfers=0)
    told = [(signal.name, signal.busy, signal.value, signal.quiet_s) for signal in clock.report.signals]
    assert told == [
        ("cell", False, "0 running", 10),
        ("cpu", False, "0.00 cores", 10),
        ("gpu", False, "2%", 15),
        ("transfers", False, "0", 15),
    ]


def test_the_idle_time_counts_from_the_last_that_was_busy(clock):
    clock.after(100, **BUSY)
    clock.after(100, **QUIET, cpu=1.0)
    clock.after(50, **QUIET)
    assert clock.report.idle_s == 50


# --- keep ---


def test_a_kept_container_is_neither_warned_of_nor_stopped(clock):
    clock.judge.keep(3600, clock.now)
    assert clock.after(3599, **QUIET) is Action.NONE
    assert clock.report.stops_in_s is None


def test_the_idle_time_counts_from_the_end_of_what_was_kept(clock):
    clock.judge.keep(3600, clock.now)
    assert clock.after(3600 + IDLE_S - 1, **QUIET) is Action.NONE
    assert clock.after(1, **QUIET) is Action.WARN


def test_keep_takes_a_warning_back(clock):
    clock.after(IDLE_S, **QUIET)
    clock.judge.keep(3600, clock.now)
    assert clock.after(1, **QUIET) is Action.NONE
    assert not clock.report.warned
    assert clock.after(3600 + IDLE_S, **QUIET) is Action.WARN


def test_keep_is_taken_back_by_keeping_for_no_time(clock):
    clock.judge.keep(3600, clock.now)
    clock.judge.keep(0, clock.now)
    assert clock.after(IDLE_S, **QUIET) is Action.WARN


# --- input ---


def test_a_cell_that_asks_keeps_the_container_for_half_an_hour(clock):
    clock.after(0, **ASKS)
    assert clock.after(INPUT_PATIENCE_S - 1, **ASKS) is Action.NONE
    assert clock.report.stops_in_s is None


def test_a_question_that_nobody_answers_is_idleness(clock):
    clock.after(0, **ASKS)
    clock.after(INPUT_PATIENCE_S - 1, **ASKS)
    assert clock.after(IDLE_S, **ASKS) is Action.WARN
    assert clock.report.signals[0].value == "waits for input since 2099 s"
    assert clock.after(WARNING_S, **ASKS) is Action.STOP


def test_an_answer_makes_the_cell_busy_again(clock):
    clock.after(0, **ASKS)
    clock.after(INPUT_PATIENCE_S + IDLE_S, **ASKS)
    assert clock.after(1, **BUSY) is Action.NONE
    clock.after(0, **ASKS)
    assert clock.after(INPUT_PATIENCE_S - 1, **ASKS) is Action.NONE


def test_a_question_of_a_cell_that_is_over_is_forgotten(clock):
    clock.after(0, **ASKS)
    clock.after(INPUT_PATIENCE_S, **QUIET)
    clock.after(0, **ASKS)
    assert clock.after(1, **ASKS) is Action.NONE
    assert clock.report.signals[0].busy


# --- the cap ---


def test_a_session_that_is_busy_for_too_long_expires():
    clock = Clock(busy_cap_s=100)
    clock.after(0, **BUSY)
    assert clock.after(99, **BUSY) is Action.NONE
    assert clock.after(1, **BUSY) is Action.EXPIRE


def test_a_pause_begins_the_cap_anew():
    clock = Clock(busy_cap_s=100)
    clock.after(0, **BUSY)
    clock.after(99, **QUIET)
    clock.after(1, **BUSY)
    assert clock.after(99, **BUSY) is Action.NONE


def test_keep_does_not_lift_the_cap():
    clock = Clock(busy_cap_s=100)
    clock.judge.keep(10_000, clock.now)
    clock.after(0, **BUSY)
    assert clock.after(100, **BUSY) is Action.EXPIRE


def test_a_kept_container_that_rests_does_not_expire():
    clock = Clock(busy_cap_s=100)
    clock.judge.keep(10_000, clock.now)
    assert clock.after(9_000, **QUIET) is Action.NONE


# --- settings that change ---


def test_a_longer_idle_time_takes_a_warning_back(clock):
    clock.after(IDLE_S, **QUIET)
    clock.judge.idle_s = 3600
    assert clock.after(WARNING_S, **QUIET) is Action.NONE
    assert (clock.report.warned, clock.report.stops_in_s) == (False, 3600 - IDLE_S)
    assert clock.after(3600 - IDLE_S - WARNING_S, **QUIET) is Action.WARN


def test_a_shorter_idle_time_holds_at_once_and_still_warns(clock):
    clock.after(100, **QUIET)
    clock.judge.idle_s = 10
    assert clock.after(0, **QUIET) is Action.WARN
    assert clock.after(10, **QUIET) is Action.STOP


def test_what_a_stop_would_lose_is_told_until_the_next_look(clock):
    clock.after(IDLE_S, **QUIET)
    clock.judge.name_unsaved(("x",))
    assert clock.report.unsaved == ("x",)
    clock.after(1, **BUSY)
    assert clock.report.unsaved == ()


# --- histories ---

SAMPLES = st.builds(
    dict,
    cells_running=st.sampled_from([0, 0, 0, 1]),
    waits_for_input=st.booleans(),
    cpu=st.sampled_from([0.0, 0.0, 0.01, 0.5]),
    gpu=st.sampled_from([0.0, 0.0, 0.9]),
)
STEPS = st.tuples(st.floats(0.01, 200), SAMPLES)
KEEPS = st.tuples(st.none(), st.floats(0, 400))


@given(st.lists(STEPS | KEEPS, max_size=60), st.floats(1, 400))
def test_nothing_stops_while_busy_or_kept_or_before_its_idle_time_and_its_warning(steps, idle_s):
    clock = Clock(idle_s=idle_s)
    busy_until, warned_at = clock.now, None
    for step, what in steps:
        if step is None:
            clock.judge.keep(what, clock.now)
            busy_until, warned_at = max(clock.now, clock.now + what), None
            continue
        action = clock.after(step, **what)
        if any(signal.busy for signal in clock.report.signals):
            busy_until, warned_at = max(busy_until, clock.now), None
            assert action in (Action.NONE, Action.EXPIRE)
        if action is Action.WARN:
            assert warned_at is None
            warned_at = clock.now
            assert clock.now - busy_until >= idle_s - 1e-6
        if action is Action.STOP:
            assert warned_at is not None
            assert clock.now - warned_at >= min(WARNING_S, idle_s) - 1e-6
            assert clock.now - busy_until >= idle_s + min(WARNING_S, idle_s) - 1e-6


@given(st.lists(st.floats(0.1, 30), min_size=1, max_size=40), st.floats(1, 100))
def test_what_is_only_quiet_stops_in_the_end(steps, idle_s):
    clock = Clock(idle_s=idle_s)
    for step in steps:
        clock.after(step, **QUIET)
    clock.after(idle_s, **QUIET)
    assert clock.after(min(WARNING_S, idle_s), **QUIET) is Action.STOP
