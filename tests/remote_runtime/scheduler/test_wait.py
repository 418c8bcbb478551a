import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.scheduler.stock import OfferKey
from farcell.remote_runtime.scheduler.wait import MEMORY, Durations, expected_wait

KEY = OfferKey("process", "H100", simulated=False)
seconds = st.floats(0, 1e6)


def durations(*past: float) -> Durations:
    known = Durations()
    for duration in past:
        known.add(KEY, duration)
    return known


def test_nothing_is_typical_before_a_lease_has_ended():
    assert durations().typical(KEY) is None


def test_the_typical_duration_is_the_median():
    assert durations(10, 20, 9_000).typical(KEY) == 20


def test_only_the_newest_leases_count():
    assert durations(*[1.0] * MEMORY, *[5.0] * MEMORY).typical(KEY) == 5


def test_the_rest_of_a_lease_is_judged_by_those_that_lasted_longer():
    assert durations(10, 60, 100).remaining(KEY, 30) == 50


def test_a_lease_that_outlasted_all_others_may_last_as_long_again():
    assert durations(10, 60).remaining(KEY, 300) == 300


@pytest.mark.parametrize(
    ("free_in_s", "ahead", "count", "wait"),
    [
        ([0], [], 1, 0),
        ([40, 10], [], 1, 10),
        ([40, 10], [], 2, 40),
        ([40, 10], [1], 1, 40),
        ([40, 10], [1, 1], 1, 110),
        ([40, 10], [2], 1, 140),
        ([10], [2], 1, 10),
    ],
)
def test_a_wait_lasts_until_enough_is_free_after_those_ahead(free_in_s, ahead, count, wait):
    assert expected_wait(free_in_s, ahead, count, lease_s=100) == wait


def test_there_is_no_expected_wait_for_more_than_there_is():
    assert expected_wait([0.0], [], 2, lease_s=1) is None


@given(st.lists(seconds, min_size=4), st.lists(st.integers(1, 4)), st.integers(1, 4), seconds)
def test_one_more_ahead_never_shortens_a_wait(free_in_s, ahead, count, lease_s):
    shorter = expected_wait(free_in_s, ahead, count, lease_s)
    longer = expected_wait(free_in_s, [*ahead, 1], count, lease_s)
    assert shorter is not None
    assert longer is not None
    assert longer >= shorter
