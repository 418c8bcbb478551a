from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from farcell.remote_runtime.api import LeaseId
from farcell.remote_runtime.errors import StartFailed
from farcell.remote_runtime.spawners.containment import is_agent
from farcell.remote_runtime.spawners.launch import Children, Launch

LEASE = LeaseId("lease")
WAITS = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"


@pytest.fixture
def children() -> Iterator[Children]:
    children = Children()
    yield children
    for pid in children._running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def launch(folder: Path, *command: str, cgroup: Path | None = None) -> Launch:
    (folder / "log").touch()
    return Launch(command, {"PATH": os.defpath}, folder=folder, log=folder / "log", cgroup=cgroup)


def script(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def until_said(folder: Path) -> str:
    deadline = time.monotonic() + 60
    while not (said := (folder / "log").read_text()).endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return said.strip()


def until_reaped(children: Children) -> None:
    deadline = time.monotonic() + 60
    while children._running:
        assert time.monotonic() < deadline
        children.reap()


def test_an_agent_is_one_as_soon_as_launch_returns(children, tmp_path):
    pid = children.launch(LEASE, launch(tmp_path, *script("import time; time.sleep(600)")))
    assert is_agent(pid)
    assert psutil.Process(pid).exe() == os.path.realpath(sys.executable)


def test_it_leads_a_session_of_its_own_in_its_folder_without_input(children, tmp_path):
    text = "import os, sys, time; print(os.getsid(0), os.getcwd(), sys.stdin.read(), flush=True); time.sleep(600)"
    pid = children.launch(LEASE, launch(tmp_path, *script(text)))
    assert until_said(tmp_path) == f"{pid} {tmp_path}"


def test_it_dumps_no_core(children, tmp_path):
    text = (
        "import resource, time; print(resource.getrlimit(resource.RLIMIT_CORE), flush=True); time.sleep(600)"
    )
    children.launch(LEASE, launch(tmp_path, *script(text)))
    assert until_said(tmp_path) == "(0, 0)"


def test_it_hears_interrupts_that_its_gateway_ignores(tmp_path):
    """As under ``nohup``, or for a daemon that a shell put into the background."""
    text = f"""
import os, signal
from pathlib import Path
from farcell.remote_runtime.spawners.launch import Children, Launch
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
folder = Path({str(tmp_path)!r})
(folder / "log").touch()
agent = ({sys.executable!r}, "-c", "import signal as s, time; print(*(s.getsignal(n).__class__.__name__ for n in "
    "(s.SIGINT, s.SIGHUP, s.SIGTERM)), flush=True); time.sleep(600)")
print(Children().launch("lease", Launch(agent, {{}}, folder, folder / "log")))
"""
    made = subprocess.run([sys.executable, "-c", text], stdout=subprocess.PIPE, check=True)
    try:
        assert until_said(tmp_path) == "builtin_function_or_method Handlers Handlers"
    finally:
        os.kill(int(made.stdout), signal.SIGKILL)


def test_no_descriptor_of_the_gateway_reaches_it(children, tmp_path):
    text = "import os, time; print(len(os.listdir('/proc/self/fd')), flush=True); time.sleep(600)"
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)  # noqa: FBT003 - its only form
        children.launch(LEASE, launch(tmp_path, *script(text)))
        assert until_said(tmp_path) == "4"  # the three, and the folder that it reads


def test_what_it_prints_is_appended_to_the_log(children, tmp_path):
    plan = launch(tmp_path, *script("import time; print('new', flush=True); time.sleep(600)"))
    plan.log.write_text("old ")
    children.launch(LEASE, plan)
    assert until_said(tmp_path) == "old new"


def test_a_program_that_is_not_there_is_told_with_what_the_shell_said_now(children, tmp_path):
    plan = launch(tmp_path, "/nowhere/agent")
    plan.log.write_text("an earlier complaint\n")
    with pytest.raises(StartFailed, match=r"/nowhere/agent.*not found") as caught:
        children.launch(LEASE, plan)
    assert "earlier" not in caught.value.message


def test_a_cgroup_that_can_not_be_entered_is_told(children, tmp_path):
    with pytest.raises(StartFailed, match=r"cgroup\.procs"):
        children.launch(LEASE, launch(tmp_path, "true", cgroup=tmp_path / "nowhere"))


def test_a_folder_that_is_not_there_is_told(children, tmp_path):
    plan = launch(tmp_path, "true")
    plan = Launch(plan.command, plan.environment, tmp_path / "nowhere", plan.log)
    with pytest.raises(StartFailed, match="nowhere"):
        children.launch(LEASE, plan)


def test_an_agent_that_has_ended_is_reaped_and_its_exit_code_kept_until_forgotten(children, tmp_path):
    children.launch(LEASE, launch(tmp_path, *script(f"{WAITS}\nraise SystemExit(7)")))
    assert children.exit_code(LEASE) is None
    (tmp_path / "go").touch()
    until_reaped(children)
    assert children.exit_code(LEASE) == 7
    children.forget(LEASE)
    assert children.exit_code(LEASE) is None


def test_an_exit_code_that_somebody_else_took_is_unknown(children, tmp_path):
    pid = children.launch(LEASE, launch(tmp_path, *script(WAITS)))
    (tmp_path / "go").touch()
    os.waitpid(pid, 0)
    until_reaped(children)
    assert children.exit_code(LEASE) is None


def test_a_child_of_an_agent_is_no_agent(children, tmp_path):
    text = (
        "import subprocess, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
    )
    children.launch(LEASE, launch(tmp_path, *script(text)))
    child = int(until_said(tmp_path))
    assert not is_agent(child)
    os.kill(child, signal.SIGKILL)
