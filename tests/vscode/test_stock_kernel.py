"""The stand-in itself, on a stock ipykernel: what holds there is how VS Code works with every kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest
from far_machine import FarMachine, eventually
from vscode_window import KernelSpec, Window

ARGV = (sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}")
BY_SIGNAL = KernelSpec("python3", ARGV, "signal")
BY_MESSAGE = KernelSpec("python3-message", ARGV, "message")


def test_a_notebook(window: Window, path: Path):
    notebook = window.open(path, BY_MESSAGE)
    assert notebook.started.connection["ip"] == "127.0.0.1"
    assert 9000 <= notebook.started.connection["hb_port"] < notebook.started.connection["iopub_port"]
    assert notebook.process.ppid() == window.pid
    assert Path(notebook.process.cwd()) == path.parent
    assert notebook.run("x = 1; print(x)").stdout == "1\n"
    assert notebook.run("__vsc_ipynb_file__").result == repr(str(path))
    assert notebook.variables() == {"x": "int"}
    assert notebook.hidden("print(x + 1)") == "2\n"
    assert notebook.run("x").number == 3  # what is hidden has no number
    asking = notebook.start("input('who? ')").answer("who? ", "me")
    assert asking.end().result == "'me'"


@pytest.mark.parametrize("spec", [BY_SIGNAL, BY_MESSAGE], ids=lambda spec: spec.interrupt_mode)
def test_an_interrupt(window: Window, path: Path, spec: KernelSpec):
    notebook = window.open(path, spec)
    cell = notebook.start("print('on', flush=True)\nimport time; time.sleep(60)").until_prints("on")
    after = notebook.start("print('never')")
    interrupted = notebook.interrupt()
    assert interrupted.outcome == "success"
    assert cell.end().error == "KeyboardInterrupt: "
    assert after.given_up == "cancelled"


def test_a_restart_is_a_new_process_with_new_ports_of_the_same_window(window: Window, path: Path):
    notebook = window.open(path, BY_SIGNAL)
    child = "import subprocess; subprocess.run(['sleep', '60'])"
    cell = notebook.start(f"print('on', flush=True)\n{child}").until_prints("on")
    old = notebook.started
    (sleeper,) = eventually(notebook.process.children)
    notebook.restart()
    assert notebook.started.pid != old.pid
    assert notebook.started.connection["shell_port"] != old.connection["shell_port"]
    assert notebook.process.ppid() == window.pid
    assert "Canceled" in cell.given_up
    window.until(lambda: notebook.exits)
    assert (notebook.exits[0]["pid"], notebook.exits[0]["signal"]) == (old.pid, "SIGTERM")
    psutil.wait_procs([sleeper], timeout=10)
    assert not sleeper.is_running()
    assert notebook.run("1 + 1").result == "2"


def test_a_closed_tab_ends_its_kernel_alone(window: Window, machine: FarMachine, path: Path):
    first, second = window.open(path, BY_SIGNAL), window.open(path.with_name("other.ipynb"), BY_SIGNAL)
    first.close()
    window.until(lambda: first.exits)
    assert len(list((machine.home / "runtime").glob("kernel-v2-*.json"))) == 1
    assert second.run("1 + 1").result == "2"


def test_a_killed_window_leaves_its_kernel_behind(window: Window, path: Path):
    notebook = window.open(path, BY_SIGNAL)
    orphan = notebook.process
    window.kill()
    try:
        assert orphan.is_running()
    finally:
        orphan.kill()
        orphan.wait(10)
