"""The agent's environment: made once, and of nothing but itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farcell.remote_runtime.spawners.docker import agent_environment as module
from farcell.remote_runtime.spawners.docker.agent_environment import (
    UNUSED_S,
    AgentEnvironment,
    agent_environment,
    content_name,
    resolved_libraries,
)

LDD = """\
/x/bin/python:
	linux-vdso.so.1 (0x00007ffd2b1c1000)
	libpython3.11.so.1.0 => /opt/lib/libpython3.11.so.1.0 (0x00007f2c1a000000)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2c19e00000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f2c1a6f2000)
/x/lib/_tkinter.so:
	libtk8.6.so => not found
	statically linked
"""
TELL = """
import importlib, json, sys
for name in ("agent.contained", "agent.application", "agent.kernel_process"):
    importlib.import_module(f"farcell.remote_runtime.{name}")
import pynvml, ssl, sqlite3, ctypes
from importlib.metadata import version
maps = {line.split(None, 5)[5].strip() for line in open("/proc/self/maps") if "/" in line}
files = {getattr(one, "__file__", None) or "" for one in sys.modules.values()}
print(json.dumps({"files": sorted(files - {""}), "maps": sorted(maps), "version": version("farcell")}))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> AgentEnvironment:
    return agent_environment(tmp_path_factory.mktemp("agents"))


def test_libraries_are_those_that_the_loader_finds():
    assert set(resolved_libraries(LDD)) == {
        Path("/opt/lib/libpython3.11.so.1.0"),
        Path("/lib/x86_64-linux-gnu/libc.so.6"),
        Path("/lib64/ld-linux-x86-64.so.2"),
    }


def test_an_agent_in_it_uses_nothing_from_outside(environment):
    loader = next((environment.folder / "lib").glob("ld-linux*"))
    library = str(environment.folder / "lib")
    python = [str(loader), "--library-path", library, str(environment.folder / "bin" / "python")]
    told = subprocess.run(
        [*python, "-I", "-c", TELL],
        env={"PYTHONPATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not told.returncode, told.stderr
    facts = json.loads(told.stdout)
    inside = str(environment.folder)
    assert [path for path in facts["files"] if not path.startswith(inside)] == []
    assert [path for path in facts["maps"] if ".so" in path and not path.startswith(inside)] == []
    assert facts["version"]


def test_its_command_names_only_what_is_in_it(environment):
    paths = [word for word in environment.command if word.startswith("/")]
    for path in [*paths, environment.launcher]:
        assert path.startswith("/farcell/agent/")
        assert (environment.folder / path.removeprefix("/farcell/agent/")).exists()


def test_whoever_it_is_mounted_for_can_read_it(environment):
    for path in environment.folder.rglob("*"):
        wanted = 0o755 if path.is_dir() else 0o444
        assert path.stat().st_mode & wanted == wanted, path


def test_nothing_in_it_is_compiled_anew(environment):
    modules = [path for path in environment.folder.rglob("*.py") if "kernel" not in path.parts[-2:]]
    compiled = {path.name.partition(".")[0] for path in environment.folder.rglob("*.pyc")}
    assert {path.stem for path in modules if path.parent.name in ("agent", "wire", "asyncio")} <= compiled


def test_it_is_made_once(environment):
    root = environment.folder.parent
    before = (environment.folder / "bin").stat().st_mtime_ns
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(agent_environment, [root] * 4))
    assert found == {environment}
    assert (environment.folder / "bin").stat().st_mtime_ns == before


def test_other_content_has_another_name(monkeypatch):
    name = content_name()
    assert content_name() == name
    monkeypatch.setattr(module, "LAYOUT_VERSION", module.LAYOUT_VERSION + 1)
    assert content_name() != name


def test_what_was_left_half_made_or_long_unused_goes(tmp_path, monkeypatch):
    half, old, used = (tmp_path / name for name in (".making-1", "agent-old", "agent-used"))
    for folder in (half, old, used):
        folder.mkdir()
    long_ago = time.time() - UNUSED_S - 60
    os.utime(old, (long_ago, long_ago))
    monkeypatch.setattr(module, "_fill", lambda folder: (folder / "lib").mkdir(parents=True))
    agent_environment(tmp_path)
    assert not half.exists()
    assert not old.exists()
    assert used.exists()


def test_what_can_not_be_made_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def fail(folder: Path) -> None:
        folder.mkdir()
        raise OSError("No space left on device")

    monkeypatch.setattr(module, "_fill", fail)
    with pytest.raises(module.StartFailed, match="No space left"):
        agent_environment(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_the_launcher_is_what_the_agent_names(environment):
    assert (environment.folder / "kernel" / "kernel_extension.py").exists()
    assert sys.version_info[:2] == tuple(
        map(int, next((environment.folder / "lib").glob("python3.*")).name.removeprefix("python").split("."))
    )
