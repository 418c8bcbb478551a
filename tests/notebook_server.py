"""A real JupyterLab, started as a user would, for tests that ask its server or look at its page."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

START_S = 60


@dataclass(frozen=True, slots=True)
class NotebookServer:
    url: str  # ends with a slash
    token: str
    folder: Path

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"}


@contextmanager
def jupyter_lab(
    folder: Path, program: Sequence[str] = (sys.executable, "-m", "jupyterlab")
) -> Iterator[NotebookServer]:
    """Runs JupyterLab with `folder` as its home, settings and notebooks; stops it at the end."""
    home = {
        "HOME": folder,
        "JUPYTER_CONFIG_DIR": folder / "config",
        "JUPYTER_RUNTIME_DIR": folder / "runtime",
    }
    command = [
        *program,
        "--no-browser",
        "--port=0",
        "--allow-root",
        "--notebook-dir",
        folder,
    ]
    environment = os.environ | {name: str(path) for name, path in home.items()}
    with (
        (folder / "server.log").open("wb") as log,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            yield _wait_until_up(process, folder)
        finally:
            process.terminate()


def _wait_until_up(process: subprocess.Popen[bytes], folder: Path) -> NotebookServer:
    """The server writes its address beside its process id a little before it listens there."""
    info = folder / "runtime" / f"jpserver-{process.pid}.json"
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        if info.exists() and (text := info.read_text()).endswith("}"):
            answer = json.loads(text)
            if _listens(answer["url"]):
                return NotebookServer(answer["url"], answer["token"], folder)
        time.sleep(0.05)
    raise AssertionError((folder / "server.log").read_text())


def _listens(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port)).close()
    except OSError:
        return False
    return True
