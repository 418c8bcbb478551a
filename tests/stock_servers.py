"""Servers of Jupyter's REST API in processes of their own: Farcell's gateway, and Jupyter Server as the oracle."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests
from processes import DATA_DIR, processes_of

from farcell.remote_runtime.gateway import users
from farcell.remote_runtime.gateway.database import Database

DEADLINE_S = 60.0
GATEWAY_PROGRAM = Path(__file__).parent / "remote_runtime" / "gateway" / "gateway_program.py"


@dataclass(frozen=True, slots=True)
class StockServer:
    """`kind` is ``gateway`` or ``jupyter_server``; `url` ends without a slash."""

    kind: str
    url: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"}

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        return requests.request(
            method, self.url + path, json=body, headers=self.headers, timeout=DEADLINE_S, **options
        )

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def start_kernel(self, name: str | None = None) -> dict[str, Any]:
        answer = self.ask("POST", "/api/kernels", {"name": name} if name else None)
        assert answer.status_code == 201, answer.text
        kernel: dict[str, Any] = answer.json()
        return kernel

    def delete_kernels(self) -> None:
        for kernel in self.get("/api/kernels"):
            self.ask("DELETE", f"/api/kernels/{kernel['id']}")


@contextmanager
def farcell_gateway(simulate: str = "H100:8,T4:1", **options: Any) -> Iterator[StockServer]:
    """With the process spawner and simulated devices, on a folder of its own; nothing of it is left at the end."""
    folder = Path(tempfile.mkdtemp(prefix="farcell-"))
    token = _add_user(folder)
    facts = json.dumps({"folder": str(folder), "simulate": simulate, "port": 0, "options": options})
    environment = os.environ | {DATA_DIR: str(folder)}
    process = subprocess.Popen(
        [sys.executable, GATEWAY_PROGRAM, facts], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        server = StockServer("gateway", f"http://127.0.0.1:{int(process.stdout.readline())}", token)
        yield server
        server.delete_kernels()
    finally:
        _end(process)
        _clear(folder)


def _add_user(folder: Path) -> str:
    database = Database.of_gateway(folder)
    database.migrate()
    token = users.new_token()
    database.write_now(lambda connection: users.add_user(connection, "ada", users.Role.USER))
    database.write_now(lambda connection: users.add_token(connection, "ada", token))
    database.close()
    return token


@contextmanager
def jupyter_server(*arguments: str, module: str = "jupyter_server") -> Iterator[StockServer]:
    """The real one, with nothing but what it is shipped with; `arguments` are added to its command.

    `module` may be an application on top of it, such as ``jupyterlab``.
    """
    folder = Path(tempfile.mkdtemp(prefix="farcell-jupyter-"))
    home = {
        "HOME": "",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
    }
    environment = os.environ | {name: str(folder / place) for name, place in home.items()}
    environment["JUPYTER_TOKEN"] = token = "of-the-oracle"
    port = _free_port()
    command = [
        sys.executable,
        "-m",
        module,
        "--no-browser",
        "--allow-root",
        f"--ServerApp.port={port}",
    ]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}", *arguments]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    server = StockServer("jupyter_server", f"http://127.0.0.1:{port}", token)
    try:
        _wait_until_up(server, process, folder / "server.log")
        yield server
        server.delete_kernels()
    finally:
        _end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_up(server: StockServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if server.ask("GET", "/api/status").status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _clear(folder: Path) -> None:
    left = processes_of(folder) + _containers_of(folder)
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=30)
    shutil.rmtree(folder, ignore_errors=True)
    assert not left, f"these processes outlived the gateway: {left}"


def _containers_of(folder: Path) -> list[psutil.Process]:
    """Agents and kernels, which do not inherit the gateway's environment, are told their lease's folder."""
    running = psutil.process_iter(["cmdline"])
    return [one for one in running if any(f"{folder}/leases" in word for word in one.info["cmdline"] or ())]
