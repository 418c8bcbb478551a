"""Whole notebooks on a simulated H100 without a front end: ``farcell run``, papermill and nbclient."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from far_machine import FarMachine, eventually, kill
from nbformat import NotebookNode

from farcell.remote_runtime.api import Bill, Session, format_dollars, from_json

BIN = Path(sys.executable).parent
DEADLINE_S = 120
WHERE = "import os\nprint(os.getcwd())"


@pytest.fixture(scope="module")
def machine() -> Iterator[FarMachine]:
    """With a Farcell kernel installed for its user."""
    with FarMachine("H100:2") as machine:
        typed(machine, "farcell", "kernel", "install", "--gpu", "H100")
        yield machine


def start(machine: FarMachine, program: str, *words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [BIN / program, *words],
        cwd=machine.home,
        env=machine.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def typed(machine: FarMachine, program: str, *words: str | Path, status: int = 0) -> tuple[str, str]:
    """What it printed, and told as an error."""
    process = start(machine, program, *words)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == status, f"{process.returncode}: {out}\n{err}"
    return out, err


def write(machine: FarMachine, name: str, *cells: str | tuple[str, str]) -> Path:
    """A notebook of sources, or of sources and tags."""
    kernelspec = {"name": "farcell-h100", "display_name": "Farcell (H100)", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernelspec})
    for cell in cells:
        source, *tags = [cell] if isinstance(cell, str) else cell
        notebook.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": tags}))
    path = machine.home / name
    nbformat.write(notebook, path)
    return path


def texts(path: Path) -> list[str]:
    """What each cell has printed."""
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in cells(path)]


def cells(path: Path) -> list[NotebookNode]:
    found: list[NotebookNode] = nbformat.read(path, as_version=4).cells
    return found


def only_session(machine: FarMachine, before: list[Session]) -> Session:
    """The one that came since."""
    known = {session.id for session in before}
    (session,) = [session for session in machine.sessions() if session.id not in known]
    return session


def sessions(machine: FarMachine) -> list[Session]:
    """Also while no gateway runs yet."""
    return machine.sessions() if (machine.folder / "embedded.json").exists() else []


def bill(machine: FarMachine) -> Bill:
    return from_json(Bill, machine.get("/farcell/v1/bill"))


def is_far(machine: FarMachine, folder: str) -> bool:
    return Path(folder.strip()).is_relative_to(machine.folder / "leases")


def test_a_run_is_far_from_its_first_cell_on_and_tells_what_its_bill_says(machine: FarMachine):
    before = sessions(machine)
    path = write(machine, "train.ipynb", WHERE, ("epochs = 10", "parameters"), "print(epochs)\nepochs * 2")
    out, err = typed(machine, "farcell", "run", path, "--gpu", "H100", "-p", "epochs=3", "-o", "done.ipynb")
    assert err == ""
    where, _, _, printed = texts(machine.home / "done.ipynb")
    assert is_far(machine, where)
    assert printed == "3\n"
    session = only_session(machine, before)
    assert session.state.is_over
    assert re.fullmatch(r"train\.ipynb \(run [0-9a-f]{8}\)", session.key.path)
    assert session.key.ephemeral
    lines = [line for line in bill(machine).lines if line.path == session.key.path]
    total, idle = (
        format_dollars(sum(line.cost_nanos for line in some))
        for some in (lines, [line for line in lines if line.is_idle])
    )
    assert [line.status for line in lines if not line.is_idle] == ["ok"] * 4
    assert out.splitlines()[-1] == f"{total} on H100 (simulated), of which {idle} idle"


def test_a_notebook_runs_on_what_its_kernel_in_the_menu_runs_on(machine: FarMachine):
    path = write(machine, "menu.ipynb", WHERE)
    out, _ = typed(machine, "farcell", "run", path)
    assert out.startswith(f"{path} with Farcell (H100), kept in ")
    assert is_far(machine, texts(machine.home / "menu.out.ipynb")[0])


def test_a_cell_that_fails_ends_run_and_session(machine: FarMachine):
    before = sessions(machine)
    path = write(machine, "fail.ipynb", "print('before')", "def f(): 1 / 0\nf()", "print('never')")
    out, err = typed(machine, "farcell", "run", path, "--gpu", "H100", status=1)
    assert err == "farcell: cell 2 of 3 raised ZeroDivisionError: division by zero\n"
    assert "ZeroDivisionError: division by zero" in out
    assert " on H100 (simulated), of which " in out.splitlines()[-1]
    kinds = [
        [output.output_type for output in cell.outputs] for cell in cells(machine.home / "fail.out.ipynb")
    ]
    assert kinds == [["stream"], ["error"], []]
    assert only_session(machine, before).state.is_over


def begin_endless(machine: FarMachine, name: str) -> tuple[subprocess.Popen[str], Session]:
    """``farcell run`` of a notebook whose second cell never ends, once that runs."""
    before = sessions(machine)
    running = machine.home / f"{name}.running"
    path = write(
        machine,
        name,
        "print('first')",
        f"import pathlib, time\npathlib.Path({str(running)!r}).touch()\nwhile True: time.sleep(0.1)",
        "print('never')",
    )
    process = start(machine, "farcell", "run", path, "--gpu", "H100")
    eventually(running.exists, within_s=DEADLINE_S)
    return process, only_session(machine, before)


def is_over(machine: FarMachine, session: Session) -> bool:
    (state,) = [one.state for one in machine.sessions() if one.id == session.id]
    return state.is_over


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGINT, signal.SIGTERM]], ids=["once", "twice"])
def test_an_interrupt_ends_the_far_session(machine: FarMachine, signals: list[signal.Signals]):
    """At the second, its kernel is killed and can end nothing any more."""
    process, session = begin_endless(machine, f"interrupted-{len(signals)}.ipynb")
    for one in signals:
        process.send_signal(one)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert err == "farcell: interrupted; what ran for it is ended\n"
    assert " on H100 (simulated), of which " in out.splitlines()[-1]
    assert texts(machine.home / f"interrupted-{len(signals)}.out.ipynb")[0] == "first\n"
    assert is_over(machine, session)


def test_a_killed_run_leaves_what_was_there_and_no_session(machine: FarMachine):
    process, session = begin_endless(machine, "killed.ipynb")
    kill(psutil.Process(process.pid))
    process.communicate()
    assert texts(machine.home / "killed.out.ipynb") == ["first\n", "", ""]
    eventually(lambda: is_over(machine, session), within_s=DEADLINE_S)


def test_papermill_runs_a_notebook_with_an_installed_kernel(machine: FarMachine):
    before = sessions(machine)
    path = write(machine, "paper.ipynb", ("epochs = 10", "parameters"), WHERE, "print(epochs)")
    typed(
        machine,
        "papermill",
        path,
        "milled.ipynb",
        "-k",
        "farcell-h100",
        "-p",
        "epochs",
        "3",
        "--no-progress-bar",
    )
    _, _, where, printed = texts(machine.home / "milled.ipynb")
    assert is_far(machine, where)
    assert printed == "3\n"
    session = only_session(machine, before)
    assert session.state.is_over
    assert session.cost_nanos > 0


def test_papermill_is_told_of_a_cell_that_fails(machine: FarMachine):
    before = sessions(machine)
    path = write(machine, "paper-fail.ipynb", "1 / 0")
    _, err = typed(
        machine, "papermill", path, "milled.ipynb", "-k", "farcell-h100", "--no-progress-bar", status=1
    )
    assert "ZeroDivisionError: division by zero" in err
    assert only_session(machine, before).state.is_over


def test_nbclient_runs_a_notebook_with_an_installed_kernel(machine: FarMachine):
    before = sessions(machine)
    path = write(machine, "client.ipynb", WHERE, "x = 6", "x * 7")
    typed(machine, "jupyter", "execute", path, "--kernel_name=farcell-h100", "--output=executed.ipynb")
    executed = machine.home / "executed.ipynb"
    assert is_far(machine, texts(executed)[0])
    assert cells(executed)[2].outputs[0].data["text/plain"] == "42"
    assert only_session(machine, before).state.is_over
