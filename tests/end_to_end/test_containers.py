"""Whatever dies far away, the notebook is told so, nothing runs on, and the next cell works."""

from __future__ import annotations

from far_machine import FarMachine, eventually, kill
from notebook_driver import Notebook

HANGS = "print('begun', flush=True)\nimport time; time.sleep(600)"


def far_process(notebook: Notebook) -> int:
    return int(notebook.run("%%gpu -q\nprint(__import__('os').getpid())").stdout)


def test_a_killed_agent_is_an_unknown_outcome_and_nothing_runs_on(machine: FarMachine, notebook: Notebook):
    running = notebook.start(f"%%gpu\n{HANGS}").until_prints("begun")
    session = machine.session("cpu")
    kill(machine.agent(session))
    cell = running.end()
    assert cell.error.startswith(
        "OutcomeUnknown: session cpu lost its container (its agent is gone) while this cell ran: how far it came is "
        "unknown, and it is not run again by itself."
    )
    assert cell.traceback == cell.error
    eventually(lambda: not machine.of_lease(session))
    assert machine.session("cpu").lease.end_reason.value == "lost"


def test_after_a_lost_container_the_next_cell_starts_anew_and_says_so(
    machine: FarMachine, notebook: Notebook
):
    notebook.run("%%gpu\nx = 1")
    kill(machine.agent(machine.session("cpu")))
    eventually(lambda: machine.session("cpu").state.value == "lost")
    cell = notebook.run("%%gpu\nprint('x' in globals())")
    assert cell.stdout == "False\n"
    assert cell.notes[0].startswith("session cpu starts anew: it lost its container")


def test_the_bill_of_a_lost_lease_stops_at_its_last_attestation(machine: FarMachine, notebook: Notebook):
    notebook.run("%%gpu\npass")
    session = machine.session("cpu")
    kill(machine.agent(session))
    eventually(lambda: machine.session("cpu").state.value == "lost")
    lease = machine.session("cpu").lease
    billed_ms = sum(
        line["duration_ms"]
        for line in machine.get("/farcell/v1/bill")["lines"]
        if line["lease_id"] == lease.id
    )
    assert billed_ms <= lease.attested_ms


def test_a_kernel_that_exits_ends_the_cell_with_its_exit_code(notebook: Notebook):
    notebook.run("%%gpu\nx = 1")
    cell = notebook.run("%%gpu\nimport os; os._exit(3)")
    # the kernel may be gone before it has said that it began
    assert cell.error.startswith("OutcomeUnknown: the kernel of session cpu died (exit code 3) ")
    assert cell.traceback == cell.error
    assert notebook.run("%%gpu\nprint('x' in globals())").stdout == "False\n"


def test_a_killed_kernel_ends_the_cell_with_its_signal(notebook: Notebook):
    cell = notebook.run("%%gpu\nimport os; os.kill(os.getpid(), 9)")
    assert "died (SIGKILL (out of memory?)) " in cell.error
    assert notebook.run("%%gpu\nprint('alive')").stdout == "alive\n"


def test_files_outlive_a_kernel(notebook: Notebook):
    notebook.run("%%gpu\nopen('kept.txt', 'w').write('kept')\nimport os; os._exit(1)")
    assert notebook.run("%%gpu\nprint(open('kept.txt').read())").stdout == "kept\n"


def test_variables_outlive_a_gateway_that_is_killed_between_cells(machine: FarMachine, notebook: Notebook):
    notebook.run("%%gpu\nx = 1")
    before = far_process(notebook)
    kill(machine.gateway)
    cell = notebook.run("%%gpu\nprint(x)")
    assert (cell.stdout, cell.error) == ("1\n", "")
    assert far_process(notebook) == before


def test_a_cell_outlives_a_gateway_that_is_killed_while_it_runs(
    machine: FarMachine, notebook: Notebook, tmp_path
):
    gate = tmp_path / "gate"
    source = (
        "import pathlib, time\nprint('begun', flush=True)\n"
        f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\nprint('done')"
    )
    running = notebook.start(f"%%gpu\n{source}").until_prints("begun")
    kill(machine.gateway)
    gate.touch()
    cell = running.end()
    assert (cell.stdout, cell.error) == ("begun\ndone\n", "")


def test_stop_from_another_notebook_ends_the_cell_that_runs(machine: FarMachine, notebook: Notebook):
    running = notebook.start(f"%%gpu\n{HANGS}").until_prints("begun")
    other = machine.notebook()
    other.run(f"%gpu stop {machine.session('cpu').id}")
    cell = running.end()
    assert cell.error.startswith("OutcomeUnknown: session cpu was stopped")
