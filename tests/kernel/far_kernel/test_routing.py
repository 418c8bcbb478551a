"""What runs here and what runs far, by a cell's text and its request."""

from __future__ import annotations

import json

import msgspec
import pytest

from farcell.kernel.far_kernel.routing import (
    Place,
    asks_here,
    execution,
    names_own_magic,
    place_of,
    without_local,
)


@pytest.mark.parametrize(
    "code",
    [
        "%%local\nx = 1",
        "\n  %%local\nx = 1",
        "%%local  # on the laptop\nx",
        "%%local",
        "%gpu status",
        "# what runs?\n%gpu status\n\n%gpu bill",
        "%%gpu T4\nprint(1)",
        "\n%%gpu --bg\ntrain()",
    ],
)
def test_runs_here(code: str):
    assert place_of(code) is Place.HERE


@pytest.mark.parametrize(
    "code",
    [
        "",
        "x = 1",
        "%%time\n%%local\nx",
        "%%locals\nx",
        "# %%local\nx",
        "x = 1\n%%local",
        "%gpu keep 1h\ntrain()",
        "print('%gpu status')",
        "%gpus",
        "%%html\n<b>",
    ],
)
def test_runs_far(code: str):
    assert place_of(code) is Place.FAR


def test_a_long_cell_is_judged_at_once():
    assert place_of("\n" * 200_000 + "x") is Place.FAR
    assert place_of("%gpu status\n" + "\n \n" * 100_000 + "x") is Place.FAR


@pytest.mark.parametrize(
    ("more", "is_cell"),
    [
        ({}, True),
        ({"store_history": True}, True),
        ({"silent": True}, False),
        ({"silent": True, "store_history": True}, False),
        ({"store_history": False}, False),
    ],
)
def test_a_cell_is_what_goes_into_the_history(more: dict[str, bool], is_cell: object):
    assert execution(json.dumps({"code": "x", **more}).encode()).is_cell is is_cell


def test_stop_on_error_is_on_unless_said_otherwise():
    assert execution(b'{"code": "x"}').stop_on_error
    assert not execution(b'{"code": "x", "stop_on_error": false}').stop_on_error


@pytest.mark.parametrize("content", [b"", b"[]", b'{"code": 1}', b'{"silent": "no"}'])
def test_content_that_is_none_is_refused(content: bytes):
    with pytest.raises(msgspec.MsgspecError):
        execution(content)


def test_a_completion_is_asked_where_its_cell_runs():
    assert asks_here(b'{"code": "%%local\\nx.", "cursor_pos": 10}')
    assert not asks_here(b'{"code": "x.", "cursor_pos": 2}')


@pytest.mark.parametrize(
    ("cell", "left"),
    [
        ("%%local\nx = 1\ny", "\nx = 1\ny"),
        ("\n%%local\nx", "\n\nx"),
        ("%%local", ""),
        ("x = 1\n", "x = 1\n"),
        ("%%time\nx", "%%time\nx"),
    ],
)
def test_the_word_becomes_an_empty_line_so_that_line_numbers_stay(cell: str, left: str):
    assert "".join(without_local(cell.splitlines(keepends=True))) == left


def test_own_magics_are_seen_wherever_they_stand():
    assert names_own_magic("%gpu")
    assert names_own_magic("x\n  %%gpu T4")
    assert names_own_magic("get_ipython().run_line_magic('gpu', 'status')")
    assert not names_own_magic("x % gpu")
