"""What is typed after ``%%gpu`` and ``%gpu`` is read, or refused in one sentence."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.kernel.arguments import CellArguments, Command, parse_cell, parse_command
from farcell.remote_runtime.api import Walls
from farcell.remote_runtime.errors import BadRequest

LINES = {
    "": CellArguments(),
    "H100": CellArguments("H100"),
    "  h100:2 ": CellArguments("h100:2"),
    "H100,L40S": CellArguments("H100,L40S"),
    "H100, L40S": CellArguments("H100,L40S"),
    "H100 , L40S": CellArguments("H100,L40S"),
    "-q": CellArguments(quiet=True),
    "--quiet H100": CellArguments("H100", quiet=True),
    "H100 -n mine": CellArguments("H100", name="mine"),
    "-n 'two words' H100": CellArguments("H100", name="two words"),
    "H100 --name=mine": CellArguments("H100", name="mine"),
    "--idle 10s --timeout 1h": CellArguments(idle_s=10.0, timeout_s=3600.0),
    "H100 --bg --timeout 1h": CellArguments("H100", timeout_s=3600.0, in_background=True),
    "H100 --pip torch 'pandas>=2'": CellArguments("H100", pip=("torch", "pandas>=2")),
    "--pip torch --pip pandas -q": CellArguments(quiet=True, pip=("torch", "pandas")),
    "H100 --image mine": CellArguments("H100", image="mine"),
    "H100 -n a -q --idle 1m": CellArguments("H100", "a", 60.0, None, quiet=True),
}


@pytest.mark.parametrize("line", LINES)
def test_a_cells_line_is_read(line: str):
    assert parse_cell(line) == LINES[line]


BAD_LINES = {
    "--bg -q": "a job is known by the line under its cell: --bg and -q don't go together",
    "--nonsense": "unrecognized arguments: --nonsense; usage: %%gpu",
    "-n": "argument -n/--name: expected one argument; usage: %%gpu",
    "--idle": "argument --idle: expected one argument; usage: %%gpu",
    "--idle soon": "'soon' is not a duration",
    "--timeout 0s": "'0s' is no time at all",
    "'open": "can't be read: No closing quotation",
    "--pip": "argument --pip: expected at least one argument; usage: %%gpu",
    "--image": "argument --image: expected one argument; usage: %%gpu",
    "--time 1h": "unrecognized arguments: --time",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_line_that_cannot_be_read_is_refused_with_what_is_wrong(line: str):
    with pytest.raises(BadRequest) as refused:
        parse_cell(line)
    assert BAD_LINES[line] in refused.value.message


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str):
    with contextlib.suppress(BadRequest):
        assert isinstance(parse_cell(text), CellArguments)


def test_a_bare_command_is_status():
    assert parse_command("", ["status", "stop"]) == Command("status")


def test_a_verb_has_its_operands():
    assert parse_command("stop 'my session'", ["status", "stop"]) == Command("stop", ("my session",))


def test_an_unknown_verb_is_told_the_verbs():
    with pytest.raises(BadRequest, match="there is no '%gpu halt'; there are: status, stop"):
        parse_command("halt", ["status", "stop"])


def test_walls_are_read_and_what_can_not_be_meant_is_refused():
    assert parse_cell("H100 --network pypi.org,*.hf.co --isolation sandbox").walls == (
        Walls.parse("sandbox", "pypi.org,*.hf.co")
    )
    assert parse_cell("H100").walls == Walls()
    with pytest.raises(BadRequest, match="no network"):
        parse_cell("--network https://pypi.org")
    with pytest.raises(BadRequest, match="no isolation"):
        parse_cell("--isolation vm")
