"""A second kernel that attaches to a session takes it over: the first is told, and what it ran goes on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from far_machine import FarMachine, eventually, kill
from notebook_driver import Cell, Notebook

BACK = "'%gpu attach l4' takes it back"
STEP = "%%gpu L4\nimport time, os\nn = 0\nwhile not os.path.exists({gate!r}):\n"
STEP += "    print('line', n, flush=True); n += 1; time.sleep(0.02)\nprint('end', flush=True)"


def held(gate: Path) -> str:
    """Prints until the gate is there."""
    return STEP.format(gate=str(gate))


def taken_by(notebook: Notebook, path: str) -> str:
    return f"TakenOver: session l4 was taken over by {path} (process {notebook.pid} on "


def assert_counted(cell: Cell) -> None:
    """All lines of the cell that was taken over, each once and in order, up to its end."""
    numbers = [int(number) for number in re.findall(r"line (\d+)\n", cell.stdout)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 5
    assert cell.stdout.endswith("end\n")


@pytest.mark.parametrize("path", ["analysis.ipynb", "other.ipynb"])
def test_the_first_is_told_its_cell_goes_on_and_the_second_is_shown_it(own_machine: FarMachine, path: str):
    first, second = own_machine.notebook("analysis.ipynb"), own_machine.notebook(path)
    gate = own_machine.home / "gate"
    running = first.start(held(gate)).until_prints("line 5\n")
    attaching = second.start("%gpu attach l4")
    told = running.end()
    assert told.error.startswith(taken_by(second, path))
    assert told.error.endswith(f"this cell goes on there, with its output; {BACK}")
    gate.touch()
    shown = attaching.end()
    assert re.match(r"while you were away \(1 cell, .*\)", shown.notes[0])
    assert_counted(shown)
    assert second.run("%%gpu\nprint(n > 5)").stdout == "True\n"


def test_the_next_cell_of_the_first_is_not_sent_until_it_takes_the_session_back(own_machine: FarMachine):
    first, second = own_machine.notebook("analysis.ipynb"), own_machine.notebook("analysis.ipynb")
    first.run("%%gpu L4\nx = 1")
    second.run("%%gpu L4\nx += 1")
    told = first.run("%%gpu\nx = 100")
    assert told.error.startswith(taken_by(second, "analysis.ipynb"))
    assert told.error.endswith(f"this cell was not sent; {BACK}")
    assert first.run("%gpu attach l4").result == "%%gpu now means session l4 on L4 (simulated)"
    assert first.run("%%gpu\nprint(x)").stdout == "2\n"
    told = second.run("%%gpu\nx = 100")
    assert told.error.startswith(taken_by(first, "analysis.ipynb"))


def test_the_line_under_the_last_cell_says_so_at_once(own_machine: FarMachine):
    first, second = own_machine.notebook("analysis.ipynb"), own_machine.notebook("analysis.ipynb")
    first.run("%%gpu L4\npass")
    second.run("%%gpu L4\npass")
    note = first.hear_late(lambda message: "taken over by" in str(message["content"]))
    assert f"process {second.pid}" in note["content"]["data"]["text/plain"]
    assert note["content"]["data"]["text/plain"].endswith("%gpu attach l4")


def test_who_only_looks_takes_nothing_over(own_machine: FarMachine):
    first, second = own_machine.notebook("analysis.ipynb"), own_machine.notebook("analysis.ipynb")
    first.run("%%gpu L4\nx = 1")
    for look in ("%gpu", "%gpu sessions", "%gpu bill", "%gpu logs l4", "%gpu keep 1h l4"):
        assert not second.run(look).error
    assert first.run("%%gpu\nprint(x)").stdout == "1\n"


def test_a_gateway_that_is_killed_forgets_nobody(own_machine: FarMachine):
    """Who has the session is asked of the next gateway; that it comes back to it is no takeover."""
    first, second = own_machine.notebook("analysis.ipynb"), own_machine.notebook("analysis.ipynb")
    first.run("%%gpu L4\nx = 1")
    kill(own_machine.gateway)
    assert first.run("%%gpu\nprint(x)").stdout == "1\n"
    second.run("%%gpu L4\nx += 1")
    kill(own_machine.gateway)
    assert first.run("%%gpu\nx = 100").error.startswith(taken_by(second, "analysis.ipynb"))
    assert second.run("%%gpu\nprint(x)").stdout == "2\n"


def test_a_takeover_while_the_first_looks_for_its_killed_gateway_ends_its_cell(own_machine: FarMachine):
    first, second = own_machine.notebook("analysis.ipynb"), own_machine.notebook("analysis.ipynb")
    second.run("%gpu sessions")
    gate = own_machine.home / "gate"
    running = first.start(held(gate)).until_prints("line 5\n")
    kill(own_machine.gateway)
    attaching = second.start("%gpu attach l4")
    assert running.end().error.startswith(taken_by(second, "analysis.ipynb"))
    gate.touch()
    assert_counted(attaching.end())


def test_a_session_that_has_ended_is_anybodys(own_machine: FarMachine):
    first, second = own_machine.notebook("analysis.ipynb"), own_machine.notebook("analysis.ipynb")
    first.run("%%gpu L4\npass")
    second.run("%%gpu L4\npass")
    second.run("%gpu stop l4")
    eventually(lambda: own_machine.session("l4").state.is_over)
    assert first.run("%%gpu\nprint('anew')").stdout == "anew\n"
