"""A Farcell kernel whose far kernel runs in a real container: its cells, interrupts, restarts and ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from docker_engine import DockerEngine, docker_client
from far_machine import FarMachine, eventually, kill
from notebook_driver import Notebook

from farcell.remote_runtime.api import EndReason, Session, SessionState
from farcell.remote_runtime.spawners.docker.container import container_name

FARCELL = Path(sys.executable).with_name("farcell")
WHERE = "import os\nprint(os.getuid(), os.getcwd(), os.getpid())"
IN_A_CONTAINER = "10001 /home/farcell/work"
DEADLINE_S = 120
GPU = "L4"
"""Of which there are enough for the sessions of all tests."""


@pytest.fixture(scope="module")
def far(machine: FarMachine) -> Notebook:
    """One that several tests share, and leave idle."""
    notebook = machine.far_notebook("/work/shared.ipynb", gpu=GPU)
    assert notebook.run("pass").error == ""
    return notebook


def session_of(machine: FarMachine, path: str) -> Session:
    (session,) = [one for one in machine.sessions() if one.key.path == path]
    return session


def is_there(engine: DockerEngine, session: Session) -> bool:
    """Whether the engine has the session's container."""
    assert session.lease_id is not None
    with docker_client(engine) as client:
        name = f"^/{container_name(session.lease_id)}$"
        return bool(client.containers(all=True, filters={"name": name}))


def where(notebook: Notebook) -> tuple[str, str]:
    """The far kernel's user and folder, and its number."""
    place, _, pid = notebook.run(WHERE).stdout.strip().rpartition(" ")
    return place, pid


# --- cells ---


def test_cells_run_in_one_container_and_state_stays(far: Notebook):
    assert where(far)[0] == IN_A_CONTAINER
    assert far.run("x = [1]; x").result == "[1]"
    assert far.run("x").result == "[1]"
    assert far.run("1 / 0").error == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    "code",
    [
        "print('begun', flush=True)\nwhile True: pass",
        "print('begun', flush=True)\nimport subprocess; subprocess.run(['sleep', '600'])",
        "!echo begun; sleep 600",
        "print('begun', flush=True)\nimport threading; threading.Event().wait(600)",
    ],
    ids=["code", "subprocess", "shell", "lock"],
)
def test_an_interrupt_stops_the_far_cell(far: Notebook, code: str):
    """The shell tells that it has begun: Python drops an interrupt that comes while it forks."""
    running = far.start(code).until_prints("begun")
    cell = running.interrupt().end()
    assert cell.error.startswith("KeyboardInterrupt") or code.startswith("!")
    assert far.run("1").result == "1"


def test_a_question_is_answered_and_another_interrupted(far: Notebook):
    assert far.start("print(input('who? '))").answer("who? ", "Ada").end().stdout == "Ada\n"
    asking = far.start("input('for ever? ')")
    far.client.get_stdin_msg(timeout=DEADLINE_S)
    assert asking.interrupt().end().error.startswith("KeyboardInterrupt")


# --- ends ---


def test_restarting_gives_a_fresh_far_kernel_in_the_same_container(machine: FarMachine):
    notebook = machine.far_notebook("/work/restarted.ipynb", gpu=GPU)
    assert notebook.run("x = 1\nopen('kept', 'w').close()").error == ""
    session = session_of(machine, "/work/restarted.ipynb")
    agent, (_, far) = machine.agent(session), where(notebook)
    notebook.manager.restart_kernel()
    notebook.client.wait_for_ready(timeout=DEADLINE_S)
    assert notebook.run("x").error == "NameError: name 'x' is not defined"
    assert where(notebook)[1] != far
    assert notebook.run("os.path.exists('kept')").result == "True"
    assert session_of(machine, "/work/restarted.ipynb").lease_id == session.lease_id
    assert machine.agent(session) == agent


def test_a_killed_kernel_detaches_and_the_next_one_finds_variables_and_missed_output(
    machine: FarMachine, tmp_path: Path
):
    path, gate = "/work/killed.ipynb", tmp_path / "gate"
    notebook = machine.far_notebook(path, gpu=GPU)
    notebook.run("x = 41")
    notebook.start(
        f"import os, time\nprint('begun', flush=True)\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
        "print('finished')\nx += 1"
    ).until_prints("begun")
    kill(psutil.Process(notebook.pid))
    notebook.close(now=True)
    gate.touch()
    eventually(lambda: session_of(machine, path).state is SessionState.IDLE)
    cell = machine.far_notebook(path, gpu=GPU).run("x")
    assert cell.result == "42"
    assert "finished" in cell.stdout
    (line,) = cell.notes
    assert line.startswith("while you were away (1 cell")


def test_shutting_down_ends_lease_and_container(machine: FarMachine, docker_engine: DockerEngine):
    notebook = machine.far_notebook("/work/shut.ipynb", gpu=GPU)
    notebook.run("x = 1")
    session = session_of(machine, "/work/shut.ipynb")
    assert is_there(docker_engine, session)
    notebook.close()
    session = session_of(machine, "/work/shut.ipynb")
    assert session.state is SessionState.STOPPED
    assert session.lease is not None
    assert session.lease.end_reason is EndReason.STOPPED
    assert not is_there(docker_engine, session)


def test_without_a_notebook_the_session_ends_with_the_kernel(
    machine: FarMachine, docker_engine: DockerEngine
):
    before = {one.id for one in machine.sessions()}
    notebook = machine.far_notebook(gpu=GPU)
    notebook.run("x = 1")
    (session,) = [one for one in machine.sessions() if one.id not in before]
    psutil.Process(notebook.pid).send_signal(signal.SIGTERM)
    eventually(lambda: not is_there(docker_engine, session))


def test_an_idle_session_stops_with_its_container_and_starts_anew(
    machine: FarMachine, docker_engine: DockerEngine
):
    notebook = machine.far_notebook("/work/idle.ipynb", gpu=GPU)
    assert notebook.run("%%gpu L4 --idle 1s\nweights = [1, 2]").error == ""
    session = session_of(machine, "/work/idle.ipynb")
    eventually(lambda: session_of(machine, "/work/idle.ipynb").state is SessionState.STOPPED)
    assert not is_there(docker_engine, session)
    cell = notebook.run("%%gpu\nprint('weights' in globals())")
    assert cell.notes[0] == "session l4 starts anew: it was stopped after 1 s idle; not saved: weights"
    assert cell.stdout == "False\n"


# --- whole notebooks ---


def test_a_whole_notebook_runs_in_a_container_of_its_own(machine: FarMachine, docker_engine: DockerEngine):
    before = {one.id for one in machine.sessions()}
    path = machine.home / "train.ipynb"
    cells = [nbformat.v4.new_code_cell(source) for source in (WHERE, "x = 6", "x * 7")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    done = subprocess.run(
        [FARCELL, "run", path, "--gpu", "H100"],
        cwd=machine.home,
        env=machine.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert " on H100 (simulated), of which " in done.stdout.splitlines()[-1]
    first, _, last = nbformat.read(machine.home / "train.out.ipynb", as_version=4).cells
    assert first.outputs[0].text.startswith(IN_A_CONTAINER)
    assert last.outputs[0].data["text/plain"] == "42"
    (session,) = [one for one in machine.sessions() if one.id not in before]
    assert session.state.is_over
    assert not is_there(docker_engine, session)
