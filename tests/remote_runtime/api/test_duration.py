"""Durations as people type them are read, or refused in one sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.api.duration import parse_duration
from farcell.remote_runtime.errors import BadRequest

DURATIONS = {
    "90": 90,
    "10s": 10,
    "1.5s": 1.5,
    "5m": 300,
    "1h": 3600,
    "1h30m": 5400,
    "1h30": 3630,
    "1H": 3600,
    " 2m ": 120,
    "2m30s": 150,
}


@pytest.mark.parametrize("text", DURATIONS)
def test_a_duration_is_read(text: str):
    assert parse_duration(text) == DURATIONS[text]


@pytest.mark.parametrize(
    "text", ["", " ", "s", "h", "-1s", "1d", "1s1m", "ten", "1e3", "1,5s", "0", "0s", "nan", "1 h"]
)
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(BadRequest, match=r"is not a duration|is no time at all"):
        parse_duration(text)


@given(st.integers(0, 99), st.integers(0, 99), st.integers(1, 99))
def test_hours_minutes_and_seconds_add_up(hours: int, minutes: int, seconds: int):
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds
