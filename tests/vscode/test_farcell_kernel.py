"""The Farcell kernel in VS Code: its kernel.json as `farcell kernel install` writes it, on simulated H100."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import psutil
from far_machine import FarMachine, eventually
from vscode_window import Window

from farcell.remote_runtime.api import Session, SessionState

VSCODE_WAITS_S = 10.0

# native code that neither returns nor minds a signal, and lets nothing else of its process run; a file says when
HANG = """
import ctypes, pathlib
mutex, libc = ctypes.create_string_buffer(64), ctypes.PyDLL(None)
libc.pthread_mutex_lock(mutex)
pathlib.Path({sign!r}).touch()
libc.pthread_mutex_lock(mutex)
"""

COUNT = """
import os, time
for i in range(6):
    while i > 3 and not os.path.exists({sign!r}): time.sleep(0.05)
    print("line", i, flush=True)
"""

INTERRUPTED = {
    "python": "print('on', flush=True)\nwhile True: pass",
    "sleep": "import time\nprint('on', flush=True)\ntime.sleep(600)",
    "a subprocess": "import subprocess\nprint('on', flush=True)\nsubprocess.run(['sleep', '600'])",
    "input": "print('on', flush=True)\ninput('who? ')",
}


def session_of(machine: FarMachine, path: Path) -> Session:
    (session,) = [one for one in machine.sessions() if one.key.path == str(path)]
    return session


def cells_are_quiet_for(session: Session) -> float:
    """For how long no cell was seen to run there."""
    signals = {signal.name: signal for signal in session.idle.signals} if session.idle else {}
    return signals["cell"].quiet_s if "cell" in signals else 0.0


def test_cells_run_far_and_what_is_hidden_follows_them(window: Window, machine: FarMachine, spec, path: Path):
    notebook = window.open(path, spec)
    cell = notebook.run("import os\nanswer = 42\nprint(os.getpid())")
    session = session_of(machine, path)
    assert int(cell.stdout) in {process.pid for process in machine.of_lease(session)}
    assert [output["kind"] for output in cell.outputs] == ["stream"]
    assert cell.number == 1
    assert cell.reply["metadata"]["farcell"]["simulated"] is True
    assert notebook.variables() == {"answer": "int"}
    assert notebook.run("answer").number == 2

    # no activity
    may_end = path.with_name("may end")
    number = window.tell(
        "hidden", path, code=f"import os, time\nwhile not os.path.exists({str(may_end)!r}): time.sleep(0.05)"
    )
    before = cells_are_quiet_for(session_of(machine, path))
    eventually(lambda: cells_are_quiet_for(session_of(machine, path)) > before + 1)
    assert session_of(machine, path).state is SessionState.IDLE
    may_end.touch()
    window.answer(number)

    # wakes nothing
    machine._ask("delete_json", f"/farcell/v1/sessions/{session.id}")
    eventually(lambda: session_of(machine, path).state is SessionState.STOPPED)
    eventually(lambda: notebook.hidden("print('here')") == "here\n")
    assert notebook.variables() == {}
    assert session_of(machine, path).lease_id == session.lease_id


def test_the_stop_button(window: Window, spec, path: Path):
    notebook = window.open(path, spec)
    for what, code in INTERRUPTED.items():
        cell = notebook.start(code).until_prints("on\n")
        if what == "input":
            cell.until_asks("who? ")
        interrupted = notebook.interrupt()
        assert interrupted.outcome == "success", what
        assert interrupted.seconds < VSCODE_WAITS_S, what
        assert cell.end().error.startswith("KeyboardInterrupt"), what
    assert notebook.run("1 + 1").result == "2"


def test_the_stop_button_of_older_versions(window: Window, spec, path: Path):
    """Until the end of 2025 the extension asked on the shell channel, where a kernel might see it too late."""
    notebook = window.open(path, spec, interrupt_channel="shell")
    cell = notebook.start(INTERRUPTED["sleep"]).until_prints("on\n")
    assert notebook.interrupt().outcome == "success"
    assert cell.end().error.startswith("KeyboardInterrupt")


def test_restarts_with_a_hung_cell_and_with_one_that_runs(
    window: Window, machine: FarMachine, spec, path: Path
):
    notebook = window.open(path, spec)
    first = notebook.run("import os\nanswer = 42\nprint(os.getpid())")
    session, gateway = session_of(machine, path), machine.gateway
    agent = machine.agent(session)
    sign = path.with_name("hung")
    hung = notebook.start(HANG.format(sign=str(sign)))
    eventually(sign.exists)
    interrupted = notebook.interrupt()
    assert interrupted.outcome == "success"
    assert "still inside native code" in hung.end().error
    old = notebook.process
    notebook.restart()
    cell = notebook.run("import os\nprint('answer' in globals(), os.getpid())")
    assert [note.partition(":")[0] for note in cell.notes] == ["session h100 was restarted"]
    had, pid = cell.stdout.split()
    assert had == "False"
    assert pid not in first.stdout
    assert machine.agent(session_of(machine, path)) == agent
    assert machine.gateway == gateway
    psutil.wait_procs([old], timeout=20)
    assert not old.is_running()
    assert notebook.run("answer = 43").notes == []

    running = notebook.start("print('on', flush=True)\nwhile True: pass").until_prints("on\n")
    notebook.restart()
    assert "Canceled" in running.given_up
    cell = notebook.run("print('answer' in globals())")
    assert "was restarted" in cell.notes[-1]
    assert cell.stdout.endswith("False\n")
    assert machine.agent(session_of(machine, path)) == agent


def test_a_closed_window_and_a_killed_one(
    open_window: Callable[[], Window], machine: FarMachine, spec, path: Path
):
    first = open_window()
    assert first.open(path, spec).run("answer = 41").reply["content"]["status"] == "ok"
    session, gateway = session_of(machine, path), machine.gateway
    first.quit()

    second = open_window()
    notebook = second.open(path, spec)
    cell = notebook.run("answer += 1\nanswer")
    assert (cell.result, cell.notes) == ("42", [])
    may_go_on = path.with_name("may go on")
    notebook.start(COUNT.format(sign=str(may_go_on))).until_prints("line 3\n")
    orphan = notebook.process
    second.kill()
    eventually(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
    may_go_on.touch()
    eventually(lambda: session_of(machine, path).state is SessionState.IDLE)

    cell = open_window().open(path, spec).run("answer")
    (away,) = cell.notes
    assert re.fullmatch(r"while you were away \(1 cell, [^)]+\)", away)
    assert cell.stdout.endswith("line 4\nline 5\n")
    assert cell.result == "42"
    assert session_of(machine, path).lease_id == session.lease_id
    assert machine.gateway == gateway


def test_a_closed_tab(window: Window, machine: FarMachine, spec, path: Path):
    """The window lives on, and the same notebook is opened again later."""
    notebook = window.open(path, spec)
    notebook.run("answer = 42")
    session = session_of(machine, path)
    notebook.close()
    window.until(lambda: notebook.exits)
    a_while_passes(machine)
    cell = window.open(path, spec).run("answer")
    assert (cell.result, cell.notes) == ("42", [])
    assert session_of(machine, path).lease_id == session.lease_id


def a_while_passes(machine: FarMachine) -> None:
    """What kernels wrote as they were told to end becomes two minutes older."""
    for note in (machine.folder / "kernels").glob("*.json"):
        written = json.loads(note.read_text())
        note.write_text(json.dumps({**written, "at": written["at"] - 120}))
