"""Which code of a ``%%gpu`` cell is far, and positions in it and in the whole cell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.kernel.arguments import CellArguments
from farcell.kernel.far_tab import far_code
from farcell.remote_runtime.errors import BadRequest


@pytest.mark.parametrize(
    "code",
    [
        "x = 1",
        "%%gpu",
        "%%gpux\nname",
        "%gpu status\nname",
        "%%time\n%%gpu\nname",
        "x = 1\n%%gpu\nname",
        "'''\n%%gpu\n'''",
    ],
)
def test_other_cells_have_no_far_code(code):
    assert far_code(code, len(code)) is None


def test_the_magics_own_line_is_not_far():
    code = "%%gpu H100 -q\nname"
    assert far_code(code, code.index("\n")) is None
    assert far_code(code, code.index("\n") + 1) is not None


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("%%gpu", CellArguments()),
        ("\n\n  %%gpu H100:2 -n big -q ", CellArguments("H100:2", "big", quiet=True)),
    ],
)
def test_the_line_says_which_session_is_meant(line, arguments):
    code = far_code(line + "\nname", len(line) + 5)
    assert code is not None
    assert code.arguments == arguments


def test_a_line_that_cannot_be_read_is_refused():
    with pytest.raises(BadRequest):
        far_code("%%gpu --what\nname", 15)


def test_a_question_is_about_the_far_code_alone():
    code = far_code("%%gpu\nx.na", 10)
    assert code is not None
    asked = code.question({"code": "%%gpu\nx.na", "cursor_pos": 10, "detail_level": 1})
    assert asked == {"code": "x.na", "cursor_pos": 4, "detail_level": 1}


def test_an_answer_has_the_whole_cells_positions():
    code = far_code("%%gpu\nx.na", 10)
    assert code is not None
    typed = {"start": 2, "end": 4, "text": "name", "type": "statement"}
    told = {"cursor_start": 2, "cursor_end": 4, "matches": ["name"], "status": "ok"}
    answer = code.answer(told | {"metadata": {"_jupyter_types_experimental": [typed], "more": 1}})
    assert answer == told | {
        "cursor_start": 8,
        "cursor_end": 10,
        "metadata": {"_jupyter_types_experimental": [typed | {"start": 8, "end": 10}], "more": 1},
    }


def test_an_answer_without_positions_stays_as_it_is():
    code = far_code("%%gpu\nname", 10)
    assert code is not None
    told = {"status": "ok", "found": True, "data": {"text/plain": "int"}, "metadata": {}}
    assert code.answer(told) == told


@given(st.sampled_from(["%%gpu\n", "\n %%gpu cpu\n"]), st.text(min_size=1), st.data())
def test_a_place_in_the_cell_and_in_the_far_code_are_the_same_character(line, body, data):
    cursor = data.draw(st.integers(len(line), len(line) + len(body)))
    code = far_code(line + body, cursor)
    assert code is not None
    asked = code.question({"code": line + body, "cursor_pos": cursor})
    assert asked["code"] == body
    assert code.answer({"cursor_start": asked["cursor_pos"]})["cursor_start"] == cursor
