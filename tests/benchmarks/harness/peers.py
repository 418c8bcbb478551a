"""The peers' environment: made when it is missing, or when what it should hold has changed."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[3]
_REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
_ENVIRONMENT = ROOT / "build" / "peers"


def peers_python() -> Path:
    """The interpreter that has the peers; the first call takes half a minute."""
    wanted = f"{_REQUIREMENTS.read_text('utf-8')}ipykernel=={version('ipykernel')}\n"
    installed = _ENVIRONMENT / "installed.txt"
    if not installed.exists() or installed.read_text("utf-8") != wanted:
        _install(wanted)
        installed.write_text(wanted, "utf-8")
    return _ENVIRONMENT / "bin" / "python"


def _install(wanted: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", _ENVIRONMENT], check=True)
    listed = _ENVIRONMENT / "wanted.txt"
    listed.write_text(wanted, "utf-8")
    pip = [_ENVIRONMENT / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--requirement", listed], check=True)
