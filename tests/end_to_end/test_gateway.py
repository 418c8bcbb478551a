"""The gateway that the first notebook starts belongs to the user, not to the kernel that started it."""

from __future__ import annotations

import os
import signal

import psutil
import pytest
from far_machine import FarMachine, eventually
from notebook_driver import Notebook

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]


def descendants(pid: int) -> list[psutil.Process]:
    """By parent process ids, as process managers find what to kill."""
    return psutil.Process(pid).children(recursive=True)


@pytest.mark.parametrize("number", SIGNALS, ids=[one.name for one in SIGNALS])
def test_no_signal_to_the_kernels_group_or_descendants_reaches_the_gateway(
    own_machine: FarMachine, number: int
):
    notebook = own_machine.notebook("analysis.ipynb")
    notebook.run("%%gpu L4\nx = 1")
    session, gateway = own_machine.session("l4"), own_machine.gateway
    far = own_machine.of_lease(session)
    for process in descendants(notebook.pid):
        process.send_signal(number)
    os.killpg(os.getpgid(notebook.pid), number)
    if number != signal.SIGINT:
        eventually(lambda: not notebook.manager.is_alive())
    assert own_machine.get("/farcell/v1/health")["status"] == "ok"
    assert own_machine.gateway == gateway
    assert all(process.is_running() for process in far)
    other = own_machine.notebook("analysis.ipynb")
    assert other.run("%%gpu L4\nprint(x)").stdout == "1\n"


def test_the_gateway_is_no_descendant_of_the_kernel_and_has_a_session_of_its_own(own_machine: FarMachine):
    notebook = own_machine.notebook()
    notebook.run("%gpu offers")
    gateway = own_machine.gateway
    assert gateway not in descendants(notebook.pid)
    assert os.getsid(gateway.pid) != os.getsid(notebook.pid)
    assert os.getpgid(gateway.pid) != os.getpgid(notebook.pid)


def test_two_kernels_that_start_the_gateway_at_once_get_the_same(own_machine: FarMachine):
    first, second = own_machine.notebook(), own_machine.notebook()
    running = [one.start("%%gpu L4\nprint('runs')") for one in (first, second)]
    assert [one.end().stdout for one in running] == ["runs\n", "runs\n"]
    gateways = [one for one in own_machine.processes() if "farcell.remote_runtime.gateway" in one.cmdline()]
    assert gateways == [own_machine.gateway]


def test_loading_the_extension_starts_nothing(own_machine: FarMachine):
    notebook = own_machine.notebook()
    notebook.run("%load_ext farcell")
    notebook.run("%gpu help")
    notebook.run("%gpu use H100")
    assert [one.pid for one in own_machine.processes()] == [notebook.pid]


# --- a notebook's own sessions ---


def test_a_session_without_a_notebook_path_ends_with_its_kernel(machine: FarMachine):
    notebook = machine.notebook()
    notebook.run("%%gpu L4 -n mine\npass")
    session = machine.session("mine")
    notebook.close()
    assert machine.session("mine").state.value == "stopped"
    eventually(lambda: not machine.of_lease(session))


def test_a_notebook_with_a_path_finds_its_session_again_from_another_kernel(machine: FarMachine):
    first = machine.notebook("work/analysis.ipynb")
    first.run("%%gpu L4\nx = 'kept'")
    first.close()
    second = machine.notebook("work/analysis.ipynb")
    assert second.run("%%gpu L4\nprint(x)").stdout == "kept\n"


def test_another_notebook_has_a_session_of_its_own(machine: FarMachine):
    machine.notebook("one.ipynb").run("%%gpu L4\nx = 1")
    assert machine.notebook("two.ipynb").run("%%gpu L4\nprint('x' in globals())").stdout == "False\n"


def test_a_restarted_kernel_of_an_unnamed_notebook_starts_with_a_fresh_session(machine: FarMachine):
    notebook: Notebook = machine.notebook()
    notebook.run("%%gpu L4 -n again\nx = 1")
    notebook.manager.restart_kernel()
    notebook.client.wait_for_ready(timeout=60)
    notebook.run("%load_ext farcell")
    assert notebook.run("%%gpu L4 -n again\nprint('x' in globals())").stdout == "False\n"


def test_unloading_takes_the_magics_away_and_ends_the_kernels_own_sessions(machine: FarMachine):
    notebook = machine.notebook()
    notebook.run("%%gpu L4 -n unloaded\npass")
    assert not notebook.run("%unload_ext farcell").error
    assert machine.session("unloaded").state.value == "stopped"
    assert "UsageError" in notebook.run("%gpu status").stream("stderr")
    notebook.run("%load_ext farcell")
    assert notebook.run("%%gpu L4 -n unloaded\nprint('again')").stdout == "again\n"
