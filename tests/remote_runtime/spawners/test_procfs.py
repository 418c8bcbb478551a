from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from farcell.remote_runtime.spawners import procfs

SLEEP = [sys.executable, "-c", "import sys, time; print(flush=True); time.sleep(600)"]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP, stdout=subprocess.PIPE, env={"COLOUR": "blue=green"}) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_process_tells_its_parent_and_session(child):
    found = procfs.process(child.pid)
    assert found is not None
    assert (found.parent, found.session) == (os.getpid(), os.getsid(0))
    assert procfs.processes()[child.pid] == found


def test_its_environment_is_what_it_was_started_with(child):
    assert procfs.environment(child.pid)["COLOUR"] == "blue=green"


def test_a_program_may_be_called_anything():
    script = "import ctypes, time; ctypes.CDLL(None).prctl(15, b') R 1 (', 0, 0, 0); print(flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = procfs.process(process.pid)
        process.kill()
    assert found is not None
    assert found.parent == os.getpid()


def test_a_zombie_does_not_run(child):
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert procfs.process(child.pid) is None
    assert procfs.environment(child.pid) == {}


def test_a_process_whose_first_thread_ended_runs_on():
    script = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "print(flush=True)\n"
        "ctypes.CDLL(None).pthread_exit(None)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        deadline = time.monotonic() + 20
        while b"\nState:\tZ" not in procfs._read(process.pid, "status"):
            assert time.monotonic() < deadline
        found = procfs.process(process.pid)
        process.kill()
    assert found is not None


def test_what_is_gone_has_nothing():
    with subprocess.Popen(["true"]) as process:
        pass
    assert procfs.process(process.pid) is None
    assert procfs.environment(process.pid) == {}
    assert procfs.cgroup(process.pid) is None


def test_a_signal_never_reaches_a_later_process_with_the_same_number(child):
    found = procfs.process(child.pid)
    assert found is not None
    assert procfs.send_signal(replace(found, started=found.started - 1), signal.SIGKILL)
    assert child.poll() is None
    assert procfs.send_signal(found, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert procfs.send_signal(found, signal.SIGKILL)


def test_what_this_user_may_not_signal_is_told(child):
    if os.getuid() != 0:
        target = procfs.process(1)
        assert target is not None
        assert not procfs.send_signal(target, signal.SIGCONT)
        return
    found = procfs.process(child.pid)
    assert found is not None
    libc = ctypes.CDLL(None)
    assert libc.syscall(SETRESUID, 65534, 65534, 0) == 0  # of this thread alone
    try:
        assert not procfs.send_signal(found, signal.SIGKILL)
    finally:
        assert libc.syscall(SETRESUID, 0, 0, 0) == 0


SETRESUID = {"x86_64": 117, "aarch64": 147}.get(os.uname().machine, 117)
