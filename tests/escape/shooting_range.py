"""A gateway with one kind of walls, a victim who has a session there, and an attacker who has another."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import attacks
from farcell_command import Person, serve
from notebook_driver import Notebook

TOO_MANY_PROCESSES = 600
TOO_MUCH_MEMORY = 1500 << 20
TOO_MUCH_DISK = 1800 << 20
LIMITS = {"processes": 300, "memory_bytes": 1 << 30, "disk_bytes": 500 << 20, "shm_bytes": 256 << 20}
"""Of each lease; what the attacks above go beyond. In a sandbox, /tmp is memory."""
SOURCE = Path(attacks.__file__).read_text("utf-8")
CALL = """
import json
try:
    tried = {{"got": {name}({facts!r}), "why": ""}}
except Exception as error:
    tried = {{"got": None, "why": f"{{type(error).__name__}}: {{error}}"}}
print(json.dumps(tried), flush=True)
"""
VICTIM = """
import json, secrets, socket, threading
from pathlib import Path
secret = secrets.token_hex(16)
file, path = Path("victims-file").absolute(), Path("victims.sock").absolute()
file.write_text(secret)
server = socket.socket(socket.AF_UNIX)
server.bind(str(path))
server.listen()
def answer_everybody():
    while True:
        with server.accept()[0] as connection:
            connection.sendall(secret.encode())
threading.Thread(target=answer_everybody, daemon=True).start()
print(json.dumps({"file": str(file), "secret": secret, "socket": str(path)}))
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`got` is None where something held; `why` is then what the attack ran into."""

    got: str | None
    why: str


class Range:
    """The attacker's side, and what there is to be had."""

    def __init__(self, attacker: Notebook, request: str, facts: Mapping[str, object]) -> None:
        self._attacker = attacker
        self._request = request
        self._facts = dict(facts)

    def run(self, attack: Callable[[attacks.Facts], str | None]) -> Verdict:
        """A kernel that did not survive its own attack is what a limit may do; whoever it belongs to has lost it."""
        call = CALL.format(name=attack.__name__, facts=self._facts)
        cell = self._attacker.run(f"%%gpu {self._request}\n{SOURCE}\n{call}")
        lines = [line for line in cell.stdout.splitlines() if line.startswith("{")]
        if not lines:
            return Verdict(None, cell.error or "the cell ended without a word")
        return Verdict(**json.loads(lines[-1]))


@contextmanager
def shooting_range(config: str, request: str, targets: Mapping[str, object]) -> Iterator[Range]:
    """`config` is the gateway's ``farcell_config.py``; `targets` are the facts that only its maker knows."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="farcell-range-")))
        operator = Person(folder / "operator")
        operator.folder.mkdir()
        (operator.folder / "farcell_config.py").write_text(config)
        served = stack.enter_context(serve(operator))
        victim = stack.enter_context(_notebook(operator, served.url, folder / "victim"))
        told = victim.run(f"%%gpu {request}\n{VICTIM}")
        assert not told.error, told.error
        other = json.loads(told.stdout.splitlines()[-1])
        attacker = stack.enter_context(_notebook(operator, served.url, folder / "attacker"))
        facts = {
            **_canaries(stack, folder),
            "other_file": other["file"],
            "other_secret": other["secret"],
            "other_socket": other["socket"],
            "gateway_sockets": [str(path) for path in (operator.folder / "serve").glob("**/*.sock")],
            "agents_folders": [str(path) for path in (operator.folder / "serve").glob("agent*")],
            "engine_sockets": [],
            "too_many_processes": TOO_MANY_PROCESSES,
            "too_much_memory": TOO_MUCH_MEMORY,
            "too_much_disk": TOO_MUCH_DISK,
            **targets,
        }
        yield Range(attacker, request, facts)


def _canaries(stack: ExitStack, folder: Path) -> dict[str, Any]:
    """A file that everybody may read, two servers that answer everybody, a process that everybody may see."""
    secret, marker = secrets.token_hex(16), f"farcell-marker-{secrets.token_hex(8)}"
    folder.chmod(0o755)
    canary = folder / "canary"
    canary.write_text(secret)
    tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    abstract = f"\0{marker}"
    local = stack.enter_context(socket.socket(socket.AF_UNIX))
    local.bind(abstract)
    local.listen()
    for server in (tcp, local):
        _answer(stack, server)
    sleeper = stack.enter_context(
        subprocess.Popen([sys.executable, "-c", "input()", marker], stdin=subprocess.PIPE)
    )
    stack.callback(sleeper.kill)
    port = tcp.getsockname()[1]
    return {"canary": str(canary), "secret": secret, "port": port, "abstract": abstract, "marker": marker}


def _answer(stack: ExitStack, server: socket.socket) -> None:
    def serve_all() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"reached")

    thread = threading.Thread(target=serve_all)
    thread.start()
    stack.callback(thread.join)
    stack.callback(server.shutdown, socket.SHUT_RDWR)


@contextmanager
def _notebook(operator: Person, url: str, folder: Path) -> Iterator[Notebook]:
    """A user of the gateway's, with a notebook on a laptop of her own."""
    folder.mkdir()
    person = Person(folder)
    token = operator.told("user", "add", folder.name).strip()
    person.told("login", url, stdin=token)
    with Notebook(folder, person.environment(HOME=str(folder), JPY_SESSION_NAME="attack.ipynb")) as notebook:
        try:
            yield notebook
        finally:
            person.told("stop", "--all")
