from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.api import GIB, Choice, GpuType, Nanos, Request, default_table
from farcell.remote_runtime.api.request import MAX_GPUS, MAX_LENGTH
from farcell.remote_runtime.errors import BadRequest, UnknownGpu

TABLE = default_table()
WITH_MI300X = replace(
    TABLE,
    gpus=MappingProxyType({**TABLE.gpus, "MI300X": GpuType("MI300X", (), 192 * GIB, Nanos(1_000))}),
)

sizes = st.builds(Choice, st.none(), st.integers(1, MAX_GPUS), st.integers(1, 288).map(lambda gib: gib * GIB))
named = st.builds(Choice, st.sampled_from(list(TABLE.gpus)), st.integers(1, MAX_GPUS))
choices = sizes | named | st.just(Choice(None, 0))
requests = st.lists(choices, min_size=1, max_size=5, unique=True).map(lambda some: Request(tuple(some)))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("H100", "H100"),
        ("h100", "H100"),
        ("h100:2", "H100:2"),
        (" H100 : 2 ", "H100:2"),
        ("H100:1", "H100"),
        ("H100:64", "H100:64"),
        ("H100,A100-80GB,L40S", "H100,A100-80GB,L40S"),
        ("h100 , l40s:2", "H100,L40S:2"),
        ("H100,h100:1,H100:2", "H100,H100:2"),
        ("A10G", "A10"),
        ("A100", "A100-80GB"),
        ("a100 40gb", "A100-40GB"),
        ("a100_80gb", "A100-80GB"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("rtx pro 6000", "RTX-PRO-6000"),
        ("24GB", "24GB"),
        ("24 gb", "24GB"),
        ("24GiB:2", "24GB:2"),
        ("cpu", "cpu"),
        ("CPU", "cpu"),
        ("H100,cpu", "H100,cpu"),
    ],
)
def test_every_form_has_one_spelling(text, canonical):
    assert str(Request.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("H100:2,cpu", (Choice("H100", 2), Choice(None, 0))),
        ("24GB", (Choice(None, 1, 24 * GIB),)),
        ("24GB:4", (Choice(None, 4, 24 * GIB),)),
    ],
)
def test_a_request_is_its_choices_in_order(text, choices):
    assert Request.parse(text).choices == choices


@pytest.mark.parametrize("text", ["", " ", ",", "H100,", ",H100", ":2", "H100,:2", "H" * (MAX_LENGTH + 1)])
def test_what_is_no_request_is_refused_with_an_example(text):
    with pytest.raises(BadRequest, match="write one like H100, H100:2, H100,L40S, 24GB or cpu"):
        Request.parse(text)


@pytest.mark.parametrize("count", ["", "0", "65", "-1", "two", "1.5", "2:2", "9" * 100, "\u0662"])
def test_a_bad_count_is_refused_with_what_it_may_be(count):
    with pytest.raises(BadRequest, match="the count is a number from 1 to 64, as in H100:2"):
        Request.parse(f"H100:{count}")


def test_cpu_takes_no_count():
    with pytest.raises(BadRequest, match="'cpu:2': cpu takes no count"):
        Request.parse("cpu:2")


@pytest.mark.parametrize("size", ["0GB", "289GB", "999999999GB"])
def test_a_size_that_no_gpu_has_is_refused_with_the_largest(size):
    with pytest.raises(BadRequest, match="the largest known GPU, B300, has 288GB"):
        Request.parse(size)


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("H10", "H100"),
        ("H1000", "H100"),
        ("L40", "L40S"),
        ("A100-8GB", "A100-80GB"),
        ("RTX6000", "RTX-PRO-6000"),
    ],
)
def test_an_unknown_gpu_is_refused_with_the_nearest_names(text, nearest):
    with pytest.raises(UnknownGpu, match=f"there is no GPU type '{text}'; nearest: .*{nearest}") as caught:
        Request.parse(text)
    assert caught.value.details == {"asked": text, "known": list(TABLE.gpus)}


def test_a_gpu_like_none_is_refused_with_all_names():
    with pytest.raises(UnknownGpu, match="known: T4, L4, A10, "):
        Request.parse("quantum")


@given(st.text(max_size=2 * MAX_LENGTH))
def test_any_text_is_a_request_or_refused(text):
    with suppress(BadRequest):
        request = Request.parse(text)
        assert Request.parse(str(request)) == request


@given(requests)
def test_a_request_survives_its_text_form(request_):
    assert Request.parse(str(request_)) == request_
    assert Request.from_json(request_.to_json()) == request_


def test_equal_requests_are_one_key_and_unlike_their_text():
    assert len({Request.parse("h100"), Request.parse("H100"), Request.parse("L4")}) == 2
    assert Request.parse("H100") != "H100"
    assert repr(Request.parse("h100:2")) == "Request('H100:2')"


def test_a_request_can_not_be_changed():
    with pytest.raises(AttributeError):
        Request.parse("H100").choices = ()


@pytest.mark.parametrize(
    ("text", "name"),
    [("H100:2", "h100"), ("A100,H100", "a100-80gb"), ("24GB:2", "24gb"), ("cpu", "cpu")],
)
def test_a_sessions_default_name_is_the_first_gpu_asked_for(text, name):
    assert Request.parse(text).default_name == name


@pytest.mark.parametrize(
    ("choice", "gpu", "accepts"),
    [
        ("H100", "H100", True),
        ("H100:2", "H100", True),
        ("H100", "H200", False),
        ("24GB", "L4", True),
        ("24GB", "H100", True),
        ("24GB", "T4", False),
        ("cpu", "T4", False),
    ],
)
def test_a_choice_accepts_its_type_or_enough_memory(choice, gpu, accepts):
    assert Request.parse(choice).choices[0].accepts(TABLE.find(gpu)) is accepts


def test_an_operators_gpu_is_known_with_the_operators_table():
    assert str(Request.parse("mi300x", WITH_MI300X)) == "MI300X"
    with pytest.raises(UnknownGpu):
        Request.parse("mi300x")


def test_without_a_table_json_may_name_types_that_only_a_gateway_knows():
    assert Request.from_json("MI300X:2").choices == (Choice("MI300X", 2),)
    with pytest.raises(UnknownGpu):
        Request.from_json("MI300X:2", TABLE)


@pytest.mark.parametrize("value", [7, None, ["H100"], {"gpu": "H100"}])
def test_json_that_is_no_text_is_no_request(value):
    with pytest.raises(BadRequest, match=f'a text such as "H100", not {type(value).__name__}'):
        Request.from_json(value)
