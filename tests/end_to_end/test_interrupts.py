"""The stop button reaches a far cell wherever it is, and what was computed before stays."""

from __future__ import annotations

import signal

from far_machine import FarMachine, eventually
from notebook_driver import Notebook

FOREVER = "print('begun', flush=True)\nimport time\nwhile True: time.sleep(0.05)"


def test_an_interrupt_is_raised_in_the_far_cell_and_state_stays(notebook: Notebook):
    notebook.run("%%gpu\nkept = 1")
    cell = notebook.start(f"%%gpu\n{FOREVER}").until_prints("begun").interrupt().end()
    assert cell.error.startswith("KeyboardInterrupt")
    assert "time.sleep(0.05)" in cell.traceback
    assert notebook.run("%%gpu\nprint(kept)").stdout == "1\n"


def test_a_far_cell_may_handle_the_interrupt(notebook: Notebook):
    source = (
        "import time\nprint('begun', flush=True)\n"
        "try:\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    print('cleaned up')"
    )
    cell = notebook.start(f"%%gpu\n{source}").until_prints("begun").interrupt().end()
    assert cell.stdout == "begun\ncleaned up\n"
    assert not cell.error


def test_each_interrupt_reaches_a_cell_that_shrugs_off_the_first(notebook: Notebook):
    source = (
        "import time\n"
        "for attempt in range(3):\n"
        "    try:\n        print(f'try {attempt}', flush=True); time.sleep(600)\n"
        "    except KeyboardInterrupt:\n        pass"
    )
    running = notebook.start(f"%%gpu\n{source}")
    for attempt in range(3):
        running.until_prints(f"try {attempt}").interrupt()
    assert not running.end().error


def test_an_interrupt_ends_children_that_wait(notebook: Notebook):
    """The shell tells that it has begun: Python drops an interrupt that comes while it forks."""
    cell = notebook.start("%%gpu\n!echo begun; sleep 600").until_prints("begun").interrupt().end()
    assert cell.stdout.startswith("begun")


def test_the_kernels_own_cells_are_interrupted_as_ever(notebook: Notebook):
    cell = notebook.start(FOREVER).until_prints("begun").interrupt().end()
    assert cell.error.startswith("KeyboardInterrupt")


def test_timeout_interrupts_the_far_cell_and_says_so(notebook: Notebook):
    cell = notebook.run(f"%%gpu --timeout 5s\nkept = 2\n{FOREVER}")
    assert cell.error == "CellTimeout: the cell ran longer than its --timeout of 5 s and was interrupted"
    assert notebook.run("%%gpu\nprint(kept)").stdout == "2\n"


def test_a_cell_that_ends_in_time_does_not_notice_its_timeout(notebook: Notebook):
    assert notebook.run("%%gpu --timeout 1h\nprint('done')").stdout == "done\n"


def test_an_interrupt_in_the_queue_withdraws_the_request(machine: FarMachine):
    holder, waiter = machine.notebook("holder.ipynb"), machine.notebook("waiter.ipynb")
    holder.run("%%gpu T4\npass")
    running = waiter.start("%%gpu T4\nprint('never')")
    running.until(lambda cell: any("place 1 in the queue" in note for note in cell.notes))
    cell = running.interrupt().end()
    assert cell.error == "CellInterrupted: the cell was withdrawn before it began"
    assert not cell.stdout
    mine = [one for one in machine.sessions() if one.key.path == "waiter.ipynb"]
    assert [session.state.value for session in mine] == ["stopped"]
    holder.run("%gpu stop")
    assert waiter.run("%%gpu T4\nprint('now')").stdout == "now\n"


def test_an_interrupt_while_the_container_starts_withdraws_the_cell(machine: FarMachine):
    """Where the machine is slower to interrupt than to start, it is interrupted as it runs."""
    notebook = machine.notebook("starting.ipynb")
    running = notebook.start("%%gpu H100\nimport time; time.sleep(600)\nprint('never')")
    eventually(lambda: any(one.key.path == "starting.ipynb" for one in machine.sessions()))
    cell = running.interrupt().end()
    assert "never" not in cell.stdout
    assert cell.error
    assert notebook.run("%%gpu\nprint('now')").stdout == "now\n"


def test_a_cell_behind_an_interrupted_one_runs(notebook: Notebook):
    first = notebook.start(f"%%gpu\n{FOREVER}").until_prints("begun")
    notebook.manager.signal_kernel(signal.SIGINT)
    assert first.end().error.startswith("KeyboardInterrupt")
    assert notebook.run("%%gpu\nprint('next')").stdout == "next\n"
