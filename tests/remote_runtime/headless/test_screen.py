"""What a terminal and a log show of a run."""

from __future__ import annotations

import io
import re
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from rich.console import Console

from farcell.remote_runtime.headless.screen import Screen, first_line, output_tail


def cell(source: str, *outputs: NotebookNode) -> NotebookNode:
    return nbformat.v4.new_code_cell(source, outputs=list(outputs))


def stream(text: str, name: str = "stdout") -> NotebookNode:
    return nbformat.v4.new_output("stream", name=name, text=text)


def result(data: dict[str, Any], kind: str = "display_data") -> NotebookNode:
    return nbformat.v4.new_output(kind, data=data)


def shown(what: NotebookNode, *, terminal: bool = False, width: int = 60) -> str:
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=terminal, width=width, highlight=False, markup=False, soft_wrap=True
    )
    with Screen(console, 3).cell(2, what):
        pass
    return re.sub(r"(took|·) [<\d. ]+ s", r"\1 T", file.getvalue())


def plain(text: str) -> str:
    """Without colours and cursor movements."""
    return re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", text)


def test_a_log_gets_a_line_when_a_cell_begins_and_one_when_it_has_ended():
    assert shown(cell("\n  x = 1\ny = 2", stream("one\ntwo\n"))) == (
        "[2/3] x = 1\n  │ one\n  │ two\n[2/3] took T\n"
    )


def test_a_log_is_told_when_a_cell_raised_with_the_whole_traceback_and_without_colours():
    lines = [f"\x1b[31mline {n}\x1b[0m" for n in range(9)]
    error = nbformat.v4.new_output("error", ename="E", evalue="no", traceback=["\n".join(lines)])
    text = shown(cell("f()", error))
    assert "\x1b" not in text
    assert [line for line in text.splitlines() if "│" in line] == [f"  │ line {n}" for n in range(9)]


def test_a_terminal_shows_one_line_for_a_cell_that_has_ended():
    text = plain(shown(cell("x = " + "1" * 100, stream("out\n")), terminal=True))
    last = text.rpartition("\r")[2].splitlines()
    assert last[-1] == "  │ out"
    assert last[-2].startswith("[2/3] x = 111")
    assert len(last[-2]) <= 60


@pytest.mark.parametrize(
    ("outputs", "left_out", "lines"),
    [
        ([], 0, []),
        ([stream("a\nb\nc\n")], 1, ["b", "c"]),
        ([stream("a"), stream("b", "stderr")], 0, ["a", "b"]),
        ([stream("1%\r50%\r100%\ndone")], 0, ["100%", "done"]),
        ([stream("dos\r\nlines\r\n")], 0, ["dos", "lines"]),
        ([result({"text/plain": "<Figure>", "image/png": "iVBO"})], 0, ["[image/png]"]),
        ([result({"text/html": "<b>", "text/plain": "bold"})], 0, ["bold"]),
        ([result({"text/html": "<b>"})], 0, ["[text/html]"]),
        ([stream("a\n"), result({"text/plain": "5"}, "execute_result")], 0, ["a", "5"]),
    ],
)
def test_the_tail_of_outputs_is_their_last_lines(outputs, left_out, lines):
    assert output_tail(outputs, 2) == (left_out, lines)


def test_a_long_first_line_is_cut():
    assert first_line(cell("y" * 500)) == "y" * 99 + "…"
    assert first_line(cell("# why\nx = 1")) == "# why"
