"""Which commits stay: all of an hour, hourly for a day, daily for thirty; those with a message always."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farcell.volumes import Made, thin

HOUR_S, DAY_S = 3600, 24 * 3600
NOW_S = 1_800_000_000 // DAY_S * DAY_S


def every(seconds: int, span_s: int) -> list[Made]:
    """Commits at a pace, up to now; numbered from 1."""
    times = range(NOW_S - span_s, NOW_S + 1, seconds)
    return [Made(number, at, named=False) for number, at in enumerate(times, 1)]


def kept(commits: list[Made], now_s: int = NOW_S) -> list[Made]:
    gone = thin(commits, now_s)
    return [one for one in commits if one.number not in gone]


def between(commits: list[Made], oldest_s: int, youngest_s: int) -> int:
    return sum(oldest_s >= NOW_S - one.made_s > youngest_s for one in commits)


def test_a_commit_each_ten_seconds_for_forty_days():
    left = kept(every(10, 40 * DAY_S))
    assert between(left, HOUR_S, -1) == 361
    assert between(left, DAY_S, HOUR_S) == 23
    assert between(left, 30 * DAY_S, DAY_S) == 29
    assert between(left, 99 * DAY_S, 30 * DAY_S) == 0


def test_the_last_of_an_hour_stays():
    commits = [Made(1, NOW_S - 3 * HOUR_S + 10, named=False), Made(2, NOW_S - 3 * HOUR_S + 20, named=False),
               Made(3, NOW_S, named=False)]  # fmt: skip
    assert thin(commits, NOW_S) == {1}


def test_commits_with_a_message_stay_and_so_does_the_newest():
    commits = [Made(1, 0, named=True), Made(2, 1, named=False), Made(3, 2, named=False)]
    assert thin(commits, NOW_S) == {2}


def test_a_clock_that_was_ahead_loses_nothing():
    commits = [
        Made(1, NOW_S + 10 * DAY_S, named=False),
        Made(2, NOW_S + DAY_S, named=False),
        Made(3, 5, named=False),
    ]
    assert thin(commits, NOW_S) == set()


@given(st.lists(st.tuples(st.integers(0, 40 * DAY_S), st.booleans()), max_size=60))
def test_thinning_twice_is_thinning_once(made):
    times = sorted(made, reverse=True)
    commits = [Made(number, NOW_S - age, named) for number, (age, named) in enumerate(times, 1)]
    once = kept(commits)
    assert kept(once) == once
