"""What tests of every part share: a data folder of their own, and what to do when a real component is missing."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import psutil
import pytest
from hypothesis import settings
from processes import DATA_DIR, processes_of

pytest_plugins = ["docker_engine", "escaping", "leaks", "soaking"]

# who was started in a shell's background ignores it, and so would all that the tests start
signal.signal(signal.SIGINT, signal.default_int_handler)

# what an example takes is the machine's business
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")


class Require(Protocol):
    def __call__(self, component: str, reason: str, *, found: bool | None = None) -> str: ...


@pytest.fixture(scope="session")
def require() -> Require:
    """``require("chromium", "drives the panel")``: the program's path; skips where it is missing, and fails under CI.

    `found` says whether something is there that is no program on PATH: a device, a daemon, a built front end.
    """

    def require(component: str, reason: str, *, found: bool | None = None) -> str:
        path = shutil.which(component)
        if found or (found is None and path):
            return path or component
        sentence = f"{component} is missing: {reason}"
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(sentence)

    return require


@pytest.fixture
def data_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty data folder, in use for this test alone; its path is short, for the sockets that lie in it.

    Fails the test when a process that belongs to the folder outlives it.
    """
    folder = Path(tempfile.mkdtemp(prefix="farcell-"))
    monkeypatch.setenv(DATA_DIR, str(folder))
    yield folder
    left = processes_of(folder)
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=30)
    shutil.rmtree(folder, ignore_errors=True)
    assert not left, f"these processes outlived the test: {left}"
