from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.api import exact_dollars, format_dollars
from farcell.remote_runtime.api.money import nanos_from_dollars, parse_dollars


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "$0.0000"),
        (1, "$0.000000001"),
        (999, "$0.000000999"),
        (1_310, "$0.000001"),
        (164_000, "$0.000164"),
        (12_345_678, "$0.0123"),
        (999_900_000, "$0.9999"),
        (1_000_000_000, "$1.00"),
        (1_204_500_000_000, "$1,204.50"),
        (-12_345_678, "-$0.0123"),
    ],
)
def test_people_see_as_many_digits_as_show_something(nanos, text):
    assert format_dollars(nanos) == text


@given(st.integers(min_value=1, max_value=10**18))
def test_what_is_not_nothing_never_looks_like_nothing(nanos):
    assert set(format_dollars(nanos)) & set("123456789")


@given(st.integers(-(10**18), 10**18))
def test_programs_see_every_nano_dollar(nanos):
    assert Decimal(exact_dollars(nanos)) * 10**9 == nanos


@given(st.integers(0, 10**18))
def test_dollars_become_nanos_exactly(nanos):
    assert parse_dollars(exact_dollars(nanos)) == nanos


@pytest.mark.parametrize(
    "text", ["-1", "NaN", "sNaN", "Infinity", "0.0000000001", "0.001000000000000000000000000000000000001"]
)
def test_what_is_no_whole_number_of_nanos_is_refused(text):
    with pytest.raises(ValueError, match="is not a whole, positive number of nano-dollars"):
        nanos_from_dollars(Decimal(text))


@pytest.mark.parametrize("text", ["", "free", "$1", "1,5"])
def test_what_is_no_decimal_is_refused(text):
    with pytest.raises(ValueError, match="is not a decimal number of dollars"):
        parse_dollars(text)
