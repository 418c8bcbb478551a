"""Every sentence by which a cell or a session ends otherwise than by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tellings import NOON, ended_lease, lease, session

from farcell.remote_runtime.api import EndReason, Failure, Image, SessionSettings, SessionState
from farcell.remote_runtime.client.endings import (
    format_duration,
    kernel_died,
    lease_ended,
    link_lost,
    started_anew,
    taken_over,
)
from farcell.remote_runtime.errors import BuildFailed, OutcomeUnknown, StartFailed

ONCE = "how far it came is unknown, and it is not run again by itself"
FRESH_KERNEL = "The next %%gpu cell runs in a fresh kernel; variables are gone, files are there."
FRESH_CONTAINER = "The next %%gpu cell starts a fresh container."


def ended(reason: EndReason | None, detail: str = "", **facts: object) -> object:
    return session(lease=lease(end_reason=reason, end_detail=detail, ended_at=NOON, **facts))


@pytest.mark.parametrize(
    ("detail", "why"),
    [("restarted", "was restarted"), ("SIGKILL (out of memory?)", "died (SIGKILL (out of memory?))")],
)
def test_a_kernel_that_was_replaced_says_why(detail, why):
    error = kernel_died(session(), detail, begun=True)
    assert isinstance(error, OutcomeUnknown)
    assert error.message == f"the kernel of session h100 {why} while this cell ran: {ONCE}. {FRESH_KERNEL}"


def test_a_kernel_that_died_at_once_may_have_begun_the_cell():
    assert kernel_died(session(), "exit code 3", begun=False).message == (
        "the kernel of session h100 died (exit code 3) before this cell was seen to begin: "
        f"{ONCE}. {FRESH_KERNEL}"
    )


@pytest.mark.parametrize(
    ("begun", "what"),
    [
        (None, "this cell was not sent"),
        (True, "this cell goes on there, with its output"),
        (False, "this cell had not been seen to begin, and it is not run again by itself"),
    ],
)
def test_who_took_a_session_over_is_named_and_how_to_take_it_back(begun, what):
    error = taken_over(session(), "other.ipynb (process 7 on laptop)", begun=begun)
    assert error.message == (
        "session h100 was taken over by other.ipynb (process 7 on laptop): "
        f"{what}; '%gpu attach h100' takes it back"
    )
    assert error.details == {"by": "other.ipynb (process 7 on laptop)"}


@pytest.mark.parametrize(
    ("reason", "detail", "how"),
    [
        (EndReason.IDLE, "", "was stopped after 5 min idle"),
        (EndReason.IDLE, "ignored", "was stopped after 5 min idle"),
        (EndReason.EXPIRED, "", "came to the end of its lease"),
        (EndReason.LOST, "", "lost its container"),
        (EndReason.LOST, "killed", "lost its container (killed)"),
        (EndReason.STOPPED, "", "was stopped"),
        (EndReason.STOPPED, "by ada", "was stopped (by ada)"),
        (None, "", "ended"),
        (None, "somehow", "ended (somehow)"),
    ],
)
def test_a_lease_that_ended_under_a_cell_says_how(reason, detail, how):
    error = lease_ended(ended(reason, detail), begun=True)
    assert isinstance(error, OutcomeUnknown)
    assert error.message == f"session h100 {how} while this cell ran: {ONCE}. {FRESH_CONTAINER}"


def test_a_lease_that_ended_before_the_cell_began_lets_it_be_run_again():
    error = lease_ended(ended(EndReason.STOPPED), begun=False)
    assert isinstance(error, OutcomeUnknown)
    assert error.message == (
        "session h100 ended before this cell began; it is not run again by itself: run it again"
    )


@pytest.mark.parametrize("begun", [False, True])
def test_a_start_that_failed_says_where_and_why(begun):
    error = lease_ended(ended(EndReason.START_FAILED, "no ipykernel"), begun=begun)
    assert isinstance(error, StartFailed)
    assert error.message == "session h100 did not start on H100: no ipykernel"


def test_a_lost_link_says_what_may_still_run():
    assert link_lost(session(), begun=True).message == (
        "the link to the gateway broke while this cell ran in session h100: it may still run there, and it is not run "
        "again by itself. '%gpu attach h100' shows what it has put out since."
    )
    assert link_lost(session(), begun=False).message == (
        "the link to the gateway broke before this cell was seen to begin; it is not run again by itself"
    )


@pytest.mark.parametrize("told", [session(), session(lease=None), ended(EndReason.IDLE, ready_at=None)])
def test_a_session_that_lives_or_never_ran_does_not_start_anew(told):
    assert started_anew(told) is None


def test_a_session_that_starts_anew_names_what_was_not_saved():
    assert started_anew(session(lease=ended_lease(EndReason.EXPIRED))) == (
        "session h100 starts anew: it came to the end of its lease"
    )
    assert started_anew(session(lease=ended_lease(EndReason.IDLE, unsaved=("x", "model")))) == (
        "session h100 starts anew: it was stopped after 5 min idle; not saved: x, model"
    )


def test_the_idle_time_that_is_told_is_the_sessions_own():
    told = session(lease=ended_lease(EndReason.IDLE), settings=SessionSettings(idle_s=90))
    assert started_anew(told) == "session h100 starts anew: it was stopped after 1 min 30 s idle"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.004, "< 0.01 s"),
        (0.01, "0.01 s"),
        (0.42, "0.42 s"),
        (9, "9 s"),
        (9.994, "9.99 s"),
        (9.996, "10 s"),
        (12.34, "12.3 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (60, "1 min"),
        (245, "4 min 05 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h"),
        (7380, "2 h 03 min"),
        (86_400, "24 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds, text):
    assert format_duration(seconds) == text


def test_what_was_installed_by_hand_is_offered_at_the_next_start_unless_it_is_still_there():
    told = session(lease=ended_lease(EndReason.STOPPED), installed=("tqdm==4.0",))
    assert started_anew(told) == (
        "session h100 starts anew: it was stopped; 1 package was installed by hand: '%gpu image save' keeps it"
    )
    told = replace(told, installed=("tqdm==4.0", "attrs==1.0"))
    assert str(started_anew(told)).endswith("2 packages were installed by hand: '%gpu image save' keeps them")
    assert "by hand" not in str(started_anew(replace(told, image=Image(python="/usr/bin/python3"))))


def test_a_session_whose_image_could_not_be_built_says_why():
    failure = Failure("build-failed", "step 2 of 3 (pip install torchh) failed:\nno such package")
    error = lease_ended(session(state=SessionState.STOPPED, lease=None, failure=failure), begun=False)
    assert isinstance(error, BuildFailed)
    assert error.message == failure.message
