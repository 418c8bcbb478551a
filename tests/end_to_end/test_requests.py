"""What is asked for on the line of a ``%%gpu`` cell, and what one is told about it."""

from __future__ import annotations

import re

import nbformat
import pytest
from far_machine import FarMachine
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook
from notebook_driver import Notebook


@pytest.fixture
def fresh(machine: FarMachine) -> Notebook:
    """A notebook that has asked for nothing yet; its sessions end with it."""
    notebook = machine.notebook()
    yield notebook
    notebook.close()


def test_a_bare_cell_means_the_last_request(fresh: Notebook):
    fresh.run("%%gpu H100\nx = 1")
    fresh.run("%%gpu cpu\nx = 2")
    assert fresh.run("%%gpu\nprint(x)").stdout == "2\n"
    assert fresh.run("%%gpu H100\nprint(x)").stdout == "1\n"
    assert fresh.run("%%gpu\nprint(x)").stdout == "1\n"


def test_a_first_bare_cell_is_told_what_there_is(fresh: Notebook):
    cell = fresh.run("%%gpu\npass")
    assert cell.error == (
        "BadRequest: this notebook has not asked for a GPU yet: "
        "write %%gpu with one of H100 (simulated), L4 (simulated), T4 (simulated), cpu"
    )


def test_use_chooses_for_the_bare_cells_after_it(fresh: Notebook):
    said = fresh.run("%gpu use cpu").result
    assert said == "%%gpu now means cpu (session cpu); nothing was started"
    assert fresh.run("%%gpu\nprint('on cpu')").notes[-1].endswith("· cpu")


def test_two_names_are_two_sessions_side_by_side(fresh: Notebook):
    fresh.run("%%gpu H100 -n left\nimport os; x = 'left'; print(os.getpid())")
    fresh.run("%%gpu H100 -n right\nimport os; x = 'right'; print(os.getpid())")
    left = fresh.run("%%gpu -n left\nprint(os.getpid(), x)").stdout.split()
    right = fresh.run("%%gpu -n right\nprint(os.getpid(), x)").stdout.split()
    assert (left[1], right[1]) == ("left", "right")
    assert left[0] != right[0]


def test_the_same_name_with_another_request_is_refused_with_the_way_out(fresh: Notebook):
    fresh.run("%%gpu H100 -n mine\nx = 1")
    cell = fresh.run("%%gpu cpu -n mine\npass")
    assert cell.error == (
        "SessionHoldsOther: session mine runs with H100, not cpu: "
        "add -n NAME for a second session, or end this one with %gpu stop mine"
    )
    assert fresh.run("%%gpu -n mine\nprint(x)").stdout == "1\n"
    fresh.run("%gpu stop mine")
    assert not fresh.run("%%gpu cpu -n mine\npass").error


def test_several_gpus_are_one_session(fresh: Notebook):
    assert fresh.run("%%gpu H100:2\npass").notes[-1].endswith("· H100:2 (simulated)")


def test_the_first_that_can_be_had_is_taken(fresh: Notebook):
    assert fresh.run("%%gpu B200,T4\npass").notes[-1].endswith("· T4 (simulated)")


def test_alternatives_may_be_written_with_spaces(fresh: Notebook):
    assert fresh.run("%%gpu B200, T4\npass").notes[-1].endswith("· T4 (simulated)")


def test_a_size_takes_the_cheapest_that_has_it(fresh: Notebook):
    assert fresh.run("%%gpu 8GB\npass").notes[-1].endswith("· T4 (simulated)")


BAD = {
    "H10": "UnknownGpu: .*'H10'.*H100.*",
    "B200": "NoSuchOffer: .*B200.*",
    "H100:3": "NoSuchOffer: .*H100:3.*",
    "H100:0": "BadRequest: 'H100:0': the count is a number from 1 to 64, as in H100:2",
    "H100 --idle soon": "BadRequest: 'soon' is not a duration: write one like 10s, 5m, 1h or 1h30m",
    "H100 --frobnicate": "BadRequest: .*--frobnicate.*usage: %%gpu .*",
    "H100 -n": "BadRequest: .*expected one argument; usage: %%gpu .*",
    "H100 'open": "BadRequest: .*can't be read.*",
    "999GB": "BadRequest: .*no GPU has that much memory.*",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_request_gets_one_clear_sentence(notebook: Notebook, line: str):
    cell = notebook.run(f"%%gpu {line}\nprint('never')")
    assert re.fullmatch(BAD[line], cell.error), cell.error
    assert cell.traceback == cell.error
    assert len(cell.outputs) == 1


def test_a_bad_request_does_not_become_the_last_one(notebook: Notebook):
    notebook.run("%%gpu cpu\npass")
    notebook.run("%%gpu B200\npass")
    assert notebook.run("%%gpu\npass").notes[-1].endswith("· cpu")


def test_nbclient_stops_at_a_refused_cell(machine: FarMachine):
    cells = ["%load_ext farcell", "%%gpu H10\npass", "print('not reached')"]
    document = new_notebook(cells=[new_code_cell(source) for source in cells])
    with pytest.raises(CellExecutionError, match="UnknownGpu"):
        NotebookClient(document, timeout=60, kernel_name="python3").execute(env=machine.environment)
    nbformat.validate(document)
    assert not document.cells[2].outputs


# --- progress ---


def test_progress_shows_the_place_in_the_queue_and_is_gone_when_the_cell_runs(
    machine: FarMachine, fresh: Notebook
):
    holder = machine.notebook("holder.ipynb")
    holder.run("%%gpu T4\npass")
    running = fresh.start("%%gpu T4\nprint('now')")
    running.until(lambda cell: cell.notes)
    (progress,) = running.cell.notes
    assert re.fullmatch(r"T4: place 1 in the queue.*: 1 of 1 T4 \(simulated\) is held", progress)
    holder.run("%gpu stop")
    cell = running.end()
    assert cell.stdout == "now\n"
    assert len(cell.notes) == 1, "the line with time and cost alone is left"


def test_a_warm_session_shows_no_progress(notebook: Notebook):
    cell = notebook.run("%%gpu\npass")
    assert [m["msg_type"] for m in cell.messages if m["msg_type"] != "execute_input"] == ["display_data"]
