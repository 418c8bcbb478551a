"""A Farcell kernel's life: free until the first cell, closed is detached, restarted restarts, shut down is ended."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from far_machine import FarMachine, eventually
from notebook_driver import DEADLINE_S, Notebook

from farcell.remote_runtime.api import EndReason, SessionState
from farcell.remote_runtime.embedded_facts import EmbeddedFacts

FAR_PID = "import os; os.getpid()"


@pytest.fixture
def machine() -> Iterator[FarMachine]:
    with FarMachine() as machine:
        yield machine


def signalled(notebook: Notebook, number: signal.Signals) -> None:
    process = psutil.Process(notebook.pid)
    process.send_signal(number)
    process.wait(DEADLINE_S)


def hidden(notebook: Notebook, code: str, **changes: bool) -> str:
    """Code that a front end runs by itself; its status."""
    asked = {"silent": False, "store_history": False, **changes}
    return str(notebook.client.execute_interactive(code, timeout=DEADLINE_S, **asked)["content"]["status"])


# --- the first cell ---


def test_all_that_front_ends_ask_by_themselves_starts_nothing(machine: FarMachine):
    notebook = machine.far_notebook("/work/a.ipynb")
    assert hidden(notebook, "__vsc_ipynb_file__ = '/work/a.ipynb'") == "ok"
    assert hidden(notebook, "x = 1", silent=True) == "ok"
    for asked in (
        lambda: notebook.client.complete("x.bi", reply=True, timeout=DEADLINE_S),
        lambda: notebook.client.inspect("x", reply=True, timeout=DEADLINE_S),
        lambda: notebook.client.history(reply=True, timeout=DEADLINE_S),
        lambda: notebook.client.comm_info(reply=True, timeout=DEADLINE_S),
        lambda: notebook.client.kernel_info(reply=True, timeout=DEADLINE_S),
    ):
        assert asked()["content"]["status"] == "ok"
    notebook.run("%%local\nx = 2")
    assert EmbeddedFacts.read(machine.folder) is None
    assert not machine.processes() or {one.pid for one in machine.processes()} == {notebook.pid}


def test_subshells_are_offered_before_there_is_a_far_kernel_that_makes_them(machine: FarMachine):
    """JupyterLab asks what a kernel can only when it connects: later would be never."""
    notebook = machine.far_notebook("/work/a.ipynb")
    info = notebook.client.kernel_info(reply=True, timeout=DEADLINE_S)["content"]
    assert "kernel subshells" in info["supported_features"]
    assert "run a cell first" in created_subshell(notebook)["evalue"]
    notebook.run("1")
    assert created_subshell(notebook)["subshell_id"]


def created_subshell(notebook: Notebook) -> dict[str, Any]:
    client = notebook.client
    request = client.session.msg("create_subshell_request")
    client.control_channel.send(request)
    reply = client.get_control_msg(timeout=DEADLINE_S)
    assert reply["parent_header"]["msg_id"] == request["header"]["msg_id"]
    return dict(reply["content"])


def test_the_first_cell_runs_far_and_state_stays(machine: FarMachine):
    notebook = machine.far_notebook("/work/a.ipynb")
    far = notebook.run(FAR_PID)
    assert int(far.result) != notebook.pid
    assert notebook.run("x = [1]; x").result == "[1]"
    assert notebook.run("x").result == "[1]"
    session = machine.session("h100")
    assert session.key.path == "/work/a.ipynb"
    facts = notebook.run("x").reply["metadata"]["farcell"]
    assert (facts["session"], facts["gpu"], facts["simulated"]) == ("h100", "H100 (simulated)", True)
    assert 0 < facts["seconds"] < DEADLINE_S
    assert facts["cost_nanos"] == pytest.approx(facts["seconds"] * 1_097_000, abs=2)


def test_the_numbers_of_cells_that_run_here_go_on_from_those_of_the_far_ones(machine: FarMachine):
    notebook = machine.far_notebook("/work/a.ipynb")
    assert [notebook.run(code).number for code in ("1", "2", "%%local\n3", "4")] == [1, 2, 3, 3]


def test_hidden_code_runs_where_the_variables_are(machine: FarMachine):
    notebook = machine.far_notebook("/work/a.ipynb")
    far = notebook.run(FAR_PID).result
    assert hidden(notebook, "import os; pid = os.getpid()") == "ok"
    assert notebook.run("pid").result == far


def test_a_request_that_can_not_be_read_says_what_there_is(machine: FarMachine):
    notebook = machine.far_notebook(gpu="H1000")
    cell = notebook.run("1")
    assert cell.error.startswith("UnknownGpu: ")
    assert "H100" in cell.error
    assert cell.outputs[-1]["kind"] == "error"


def test_when_no_session_starts_what_waits_behind_the_first_cell_is_aborted(machine: FarMachine):
    notebook = machine.far_notebook(gpu="B200")
    cells = [notebook.start("1"), notebook.start("2")]
    assert cells[0].end().error.startswith("NoSuchOffer")
    assert cells[1].end().status == "aborted"


# --- its end ---


def test_a_killed_kernel_detaches_and_the_next_one_finds_variables_and_missed_output(machine: FarMachine):
    notebook = machine.far_notebook("/work/a.ipynb")
    notebook.run("x = 41")
    running = notebook.start(
        "import time\nprint('begun', flush=True)\ntime.sleep(1)\nprint('finished')\nx += 1"
    )
    running.until_prints("begun")
    signalled(notebook, signal.SIGKILL)
    notebook.close(now=True)
    eventually(lambda: machine.session("h100").state is SessionState.IDLE)
    again = machine.far_notebook("/work/a.ipynb")
    cell = again.run("x")
    assert cell.result == "42"
    assert "finished" in cell.stdout
    (line,) = cell.notes
    assert line.startswith("while you were away (1 cell")
    assert again.run("x").notes == []


def test_what_still_runs_when_the_next_kernel_comes_is_shown_to_its_end(machine: FarMachine):
    notebook = machine.far_notebook("/work/a.ipynb")
    running = notebook.start("import time\nfor n in range(30): print(n, flush=True); time.sleep(0.1)")
    running.until_prints("2\n")
    signalled(notebook, signal.SIGKILL)
    notebook.close(now=True)
    again = machine.far_notebook("/work/a.ipynb")
    assert "29\n" in again.run("'after'").stdout


def test_shutting_down_ends_the_lease(machine: FarMachine):
    notebook = machine.far_notebook("/work/a.ipynb")
    notebook.run("x = 1")
    far = machine.of_lease(machine.session("h100"))
    assert far
    notebook.close()
    session = machine.session("h100")
    assert session.state is SessionState.STOPPED
    assert session.lease is not None
    assert session.lease.end_reason is EndReason.STOPPED
    eventually(lambda: not any(process.is_running() for process in far))


def test_restarting_gives_a_fresh_far_kernel_in_the_same_container(machine: FarMachine):
    notebook = machine.far_notebook("/work/a.ipynb")
    notebook.run("x = 1")
    agent, far = machine.agent(machine.session("h100")), notebook.run(FAR_PID).result
    notebook.manager.restart_kernel()
    notebook.client.wait_for_ready(timeout=DEADLINE_S)
    assert notebook.run("x").error == "NameError: name 'x' is not defined"
    assert notebook.run(FAR_PID).result != far
    assert machine.agent(machine.session("h100")) == agent


def test_a_kernel_without_a_notebook_restarts_too(machine: FarMachine):
    notebook = machine.far_notebook()
    notebook.run("x = 1")
    (before,) = machine.sessions()
    notebook.manager.restart_kernel()
    notebook.client.wait_for_ready(timeout=DEADLINE_S)
    assert notebook.run("x").error == "NameError: name 'x' is not defined"
    (after,) = machine.sessions()
    assert (after.id, after.lease_id) == (before.id, before.lease_id)


def test_without_a_notebook_the_session_ends_with_the_kernel(machine: FarMachine):
    notebook = machine.far_notebook()
    notebook.run("x = 1")
    notebook.run("%%gpu T4\ny = 1")
    signalled(notebook, signal.SIGTERM)
    eventually(lambda: all(session.state is SessionState.STOPPED for session in machine.sessions()))


def test_a_new_start_right_after_sigterm_from_the_same_parent_is_a_restart(machine: FarMachine):
    notebook = machine.far_notebook("/work/a.ipynb")
    notebook.run("x = 1")
    agent = machine.agent(machine.session("h100"))
    signalled(notebook, signal.SIGTERM)
    assert machine.session("h100").state is SessionState.IDLE
    notebook.close(now=True)
    again = machine.far_notebook("/work/a.ipynb")
    cell = again.run("'x' in globals()")
    assert cell.result == "False"
    assert cell.notes == ["session h100 was restarted: variables are gone, files are there"]
    assert machine.agent(machine.session("h100")) == agent


# --- interrupts ---


@pytest.mark.parametrize(
    "code",
    [
        "print('begun', flush=True)\nwhile True: pass",
        "print('begun', flush=True)\nimport time; time.sleep(60)",
        "print('begun', flush=True)\nimport subprocess; subprocess.run(['sleep', '60'])",
        "!echo begun; sleep 60",
        "print('begun', flush=True)\nimport threading; threading.Event().wait(60)",
    ],
    ids=["code", "sleep", "subprocess", "shell", "lock"],
)
def test_an_interrupt_stops_the_far_cell(far: Notebook, code: str):
    """The shell tells that it has begun: Python drops an interrupt that comes while it forks."""
    running = far.start(code).until_prints("begun")
    cell = running.interrupt().end()
    assert cell.error.startswith("KeyboardInterrupt") or code.startswith("!")
    assert far.run("1").result == "1"


def test_an_interrupt_stops_a_question(far: Notebook):
    running = far.start("input('? ')")
    far.client.get_stdin_msg(timeout=DEADLINE_S)
    assert running.interrupt().end().error.startswith("KeyboardInterrupt")


def test_native_code_that_does_not_return_is_told_to_be_over_and_its_late_output_kept(far: Notebook):
    running = far.start(
        "import signal, time\n"
        "handler = signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('begun', flush=True)\n"
        "time.sleep(10)\n"
        "print('late', flush=True)\n"
        "_ = signal.signal(signal.SIGINT, handler)"
    )
    cell = running.until_prints("begun").interrupt().end()
    assert cell.error == "KeyboardInterrupt: still inside native code: %gpu restart"
    far.hear_late(lambda message: message["content"].get("text") == "late\n")
    assert far.run("1").result == "1"


@pytest.fixture(scope="module")
def far() -> Iterator[Notebook]:
    """One that several tests share, and leave idle."""
    with FarMachine() as machine:
        notebook = machine.far_notebook("/work/shared.ipynb")
        notebook.run("pass")
        yield notebook
