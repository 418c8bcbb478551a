"""The kernel's process, played by short programs: how it starts, is interrupted and ends, with all that it started."""

from __future__ import annotations

import json
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from patience import DEADLINE_S

from farcell.remote_runtime.agent.kernel_process import KernelProcess, describe_exit
from farcell.remote_runtime.agent.lease_folder import LeaseFolder

IGNORES_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("ready", "w").close()
time.sleep(60)
"""
TELLS_SIGINT = """
import time
try:
    open("ready", "w").close()
    time.sleep(60)
except KeyboardInterrupt:
    raise SystemExit(7)
"""
LEAVES_A_CHILD = """
import signal, subprocess, sys
program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
child.stdout.readline()
open("child", "w").write(str(child.pid))
raise SystemExit(3)
"""


def wait_for(fact: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def lease(tmp_path: Path) -> LeaseFolder:
    facts = {"gateway_id": "g", "session_id": "s", "lease_id": "l", "socket": "/s", "devices": []}
    facts |= {name: str(tmp_path) for name in ("home", "work", "run")}
    facts["python"] = str(tmp_path / "python")
    (tmp_path / "agent.json").write_text(json.dumps(facts))
    return LeaseFolder.read(tmp_path)


@pytest.fixture
def start(lease: LeaseFolder) -> Iterator[Callable[[str], KernelProcess]]:
    """Starts a kernel whose interpreter runs that program, whatever it is asked to run."""
    kernel = KernelProcess(lease)

    def start(program: str) -> KernelProcess:
        (lease.path / "program.py").write_text(program)
        interpreter = lease.path / "python"
        interpreter.write_text(f'#!/bin/sh\necho "$@" > arguments\nexec {sys.executable} program.py\n')
        interpreter.chmod(interpreter.stat().st_mode | stat.S_IXUSR)
        kernel.start()
        return kernel

    yield start
    kernel.kill(0)


def test_a_kernel_is_told_where_to_listen_in_a_file_that_is_its_users_alone(start, lease):
    kernel = start("")
    wait_for(lambda: kernel.poll() is not None)
    (file,) = lease.run.glob("kernel-*.json")
    facts = json.loads(file.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert str(file) in (lease.work / "arguments").read_text()
    assert facts["key"].encode() == kernel.connection.key
    assert facts["transport"] == "ipc"
    assert kernel.connection.endpoint("shell") == f"ipc://{facts['ip']}-{facts['shell_port']}"
    assert kernel.connection.endpoint("hb") == f"ipc://{facts['ip']}-{facts['hb_port']}"


def test_each_start_has_sockets_and_a_key_of_its_own(start):
    kernel = start("")
    first = kernel.connection
    kernel.kill()
    second = start("").connection
    assert first.base != second.base
    assert first.key != second.key


def test_an_interrupt_reaches_the_kernel(start, lease):
    kernel = start(TELLS_SIGINT)
    wait_for((lease.work / "ready").exists)
    kernel.interrupt()
    wait_for(lambda: kernel.poll() is not None)
    assert kernel.poll() == 7


def test_a_kernel_that_ignores_sigterm_is_killed(start, lease):
    kernel = start(IGNORES_SIGTERM)
    wait_for((lease.work / "ready").exists)
    kernel.kill(grace_s=0.05)
    assert kernel.poll() == -signal.SIGKILL


def test_a_kernel_that_ends_by_itself_leaves_nothing_of_its_group_behind(start, lease):
    kernel = start(LEAVES_A_CHILD)
    wait_for(lambda: kernel.poll() is not None)
    child = psutil.Process(int((lease.work / "child").read_text()))
    kernel.kill()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    assert kernel.poll() == 3


def test_signals_to_a_kernel_that_is_gone_are_silent(start):
    kernel = start("")
    wait_for(lambda: kernel.poll() is not None)
    kernel.interrupt()
    kernel.kill()
    kernel.kill()


def test_before_its_start_there_is_nothing_to_end(lease):
    kernel = KernelProcess(lease)
    kernel.interrupt()
    kernel.kill()
    assert kernel.poll() is None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit code 0"),
        (3, "exit code 3"),
        (-signal.SIGKILL, "SIGKILL (out of memory?)"),
        (-signal.SIGSEGV, "SIGSEGV"),
        (-250, "signal 250"),
    ],
)
def test_an_exit_is_told_in_words(code, words):
    assert describe_exit(code) == words
