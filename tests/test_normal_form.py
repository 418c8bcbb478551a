"""What is left of a notebook's outputs when chance is taken out, and that nothing else is taken out."""

from __future__ import annotations

from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from normal_form import normal_form

ID = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"


def shown(*outputs: Any, **places: str) -> list[dict[str, Any]]:
    notebook = new_notebook(cells=[new_code_cell("x", outputs=list(outputs))])
    (cell,) = normal_form(notebook, {folder: name for name, folder in places.items()})["cells"]
    found: list[dict[str, Any]] = cell["outputs"]
    return found


def out(text: str, name: str = "stdout") -> Any:
    return new_output("stream", name=name, text=text)


def text_of(text: str) -> str:
    ((one,),) = [shown(out(text))]
    return str(one["text"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<f at 0x7f3a12b4c0d0>", "<f at 0x55d0deadbeef>"),
        ("/tmp/ipykernel_12/34.py:1: Warning", "/tmp/ipykernel_99/34.py:1: Warning"),
        (
            "CPU times: user 3 μs, total: 4 μs\nWall time: 5 ms",
            "CPU times: user 1 s, total: 2 s\nWall time: 3 s",
        ),
        ("Wall time: 5 ms\nCompiler : 120 ms\n", "Wall time: 3 s\n"),
        ("1.2 μs ± 3.4 ns per loop", "12 ms ± 1 µs per loop"),
        ("4/4 [00:00<00:00, 95.65it/s]", "4/4 [00:09<00:00,  1.23s/it]"),
        ("4/4 [00:00&lt;00:00, 95.65it/s]", "4/4 [00:01&lt;00:00, ?it/s]"),
        ("Ran 3 tests in 0.001s", "Ran 3 tests in 1.234s"),
        ("<dc:date>2024-01-02T03:04:05.6</dc:date>", "<dc:date>2025-11-12T13:14:15.678</dc:date>"),
        (f"IPY_MODEL_{ID}", f"IPY_MODEL_{OTHER}"),
        ('id="T_0a1b2_row0"', 'id="T_9f8e7_row0"'),
        ("0b0c1d2e-0000-4000-8000-0123456789ab", "ffffffff-1111-4111-9111-ba9876543210"),
        ("\r 10 %\r100 %\n", "\r100 %\n"),
    ],
)
def test_chance_makes_no_difference(one: str, other: str):
    assert text_of(one) == text_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3/4 [00:00<00:00, 1.00it/s]", "4/4 [00:00<00:00, 1.00it/s]"),
        ("2024-01-02", "2024-01-03"),
        ("0x1f", "0x2f"),
        ("Ran 3 tests in 0.001s", "Ran 4 tests in 0.001s"),
        (f"{ID} and {ID}", f"{ID} and {OTHER}"),
        ("a \n", "a\n"),
        ("long\rab", "ab"),
    ],
)
def test_what_is_not_chance_does(one: str, other: str):
    assert text_of(one) != text_of(other)


def test_ids_are_told_apart_wherever_they_are():
    data = {"application/json": {ID: [OTHER, ID]}}
    (result,) = shown(new_output("display_data", data=data))
    assert result["data"] == {"application/json": {"<id 1>": ["<id 2>", "<id 1>"]}}


def test_folders_have_names_the_inner_one_its_own():
    (stream,) = shown(out("/a/b/c.py /a/d"), home="/a", folder="/a/b")
    assert stream["text"] == "folder/c.py home/d"


def test_each_stream_is_whole_up_to_the_next_other_output():
    display = new_output("display_data", data={"text/plain": "d"})
    parts = [out("1"), out("e", "stderr"), out("2"), display, out("3"), out("4")]
    assert [one.get("text", "display") for one in shown(*parts)] == ["12", "e", "display", "34"]


def test_the_order_of_outputs_the_count_and_the_widgets_stay():
    display, result = (
        new_output("display_data", data={"text/plain": "d"}),
        new_output("execute_result", data={}, execution_count=4),
    )
    assert shown(display, result) != shown(result, display)
    notebook = new_notebook(cells=[new_code_cell("x", execution_count=4)], metadata={"widgets": {"state": 1}})
    normal = normal_form(notebook)
    assert (normal["cells"][0]["execution_count"], normal["widgets"]) == (4, {"state": 1})
