"""A notebook that comes back finds its session, and the output that nobody has seen."""

from __future__ import annotations

import os
import re
import signal

from far_machine import FarMachine, eventually

COUNT = "%%gpu L4\nimport time\nfor i in range({n}):\n    print('line', i, flush=True)\n    time.sleep(0.02)"


def lines(count: int, begin: int = 0) -> str:
    return "".join(f"line {i}\n" for i in range(begin, count))


def test_a_notebook_whose_kernel_was_killed_gets_the_rest_of_its_cell(own_machine: FarMachine):
    first = own_machine.notebook("analysis.ipynb")
    first.start(COUNT.format(n=100)).until_prints("line 5\n")
    os.kill(first.pid, signal.SIGKILL)
    again = own_machine.notebook("analysis.ipynb")
    cell = again.run("%%gpu L4\nprint('after')")
    assert re.match(r"while you were away \(1 cell, [^)]+\)", cell.notes[0])
    assert cell.stdout == lines(100) + "after\n"


def test_what_was_shown_is_not_shown_again(own_machine: FarMachine):
    first = own_machine.notebook("analysis.ipynb")
    first.run("%%gpu L4\nprint('seen')")
    eventually(lambda: own_machine.session("l4").shown is not None)
    again = own_machine.notebook("analysis.ipynb")
    cell = again.run("%%gpu L4\nprint('new')")
    assert cell.stdout == "new\n"
    assert not any(note.startswith("while you were away") for note in cell.notes)


def test_attach_shows_what_was_missed_and_follows_what_still_runs(own_machine: FarMachine):
    first = own_machine.notebook("analysis.ipynb")
    first.start(COUNT.format(n=100)).until_prints("line 5\n")
    os.kill(first.pid, signal.SIGKILL)
    again = own_machine.notebook("analysis.ipynb")
    cell = again.run("%gpu attach l4")
    assert cell.stdout == lines(100)
    assert cell.result == "%%gpu now means session l4 on L4 (simulated)"
    assert again.run("%%gpu\nprint(i)").stdout == "99\n"


def test_another_notebook_can_attach_to_a_session_by_its_name(own_machine: FarMachine):
    owner = own_machine.notebook("analysis.ipynb")
    owner.run("%%gpu L4 -n shared\nx = 41")
    other = own_machine.notebook("other.ipynb")
    assert not other.run("%gpu attach shared").error
    assert other.run("%%gpu\nprint(x + 1)").stdout == "42\n"


def test_a_session_that_has_ended_still_shows_what_was_missed(own_machine: FarMachine):
    first = own_machine.notebook("analysis.ipynb")
    ended = own_machine.folder / "ended"
    first.start(f"{COUNT.format(n=20)}\nopen({str(ended)!r}, 'w').close()").until_prints("line 5\n")
    os.kill(first.pid, signal.SIGKILL)
    eventually(ended.exists)
    eventually(lambda: own_machine.session("l4").state.value == "idle")
    again = own_machine.notebook("analysis.ipynb")
    again.run("%gpu stop l4")
    cell = again.run("%gpu attach l4")
    assert cell.stdout == lines(20)
    assert "it has ended, the next far cell starts it anew" in cell.result
