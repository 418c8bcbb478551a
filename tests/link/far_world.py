"""Where cells run: at a gateway of the client's own, or at a served one with faulty proxies before and behind it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import psutil
from far_machine import DEADLINE_S, is_agent, kill
from faulty_proxy import PIECE_BYTES, Closing, Pipe, Proxies
from processes import DATA_DIR, processes_of

from farcell.remote_runtime import config
from farcell.remote_runtime.api import Request, Session, SessionKey, SessionSpec
from farcell.remote_runtime.client import gateway_client
from farcell.remote_runtime.client.blocking import Client
from farcell.remote_runtime.client.cell import CellRun, CellSource, new_header
from farcell.remote_runtime.client.gateway_client import Address
from farcell.remote_runtime.client.locate import save_login
from farcell.remote_runtime.embedded_facts import EmbeddedFacts
from farcell.remote_runtime.gateway.recovery import WANTED_WITHIN_S

PING_S = 1.0
PROGRAM = Path(__file__).with_name("served.py")
SIMULATE = "FARCELL_SIMULATE"


class World(Closing):
    """A data folder and a client in this process, whose environment it changes: one at a time."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="farcell-link-"))
        self._environment = {name: os.environ.get(name) for name in (DATA_DIR, SIMULATE)}
        os.environ[DATA_DIR] = str(self.folder)
        os.environ[SIMULATE] = "H100:8"
        self.prepare()
        self.client = Client()

    def prepare(self) -> None:
        """Before the client is made."""

    @property
    def shared(self) -> Path:
        """A folder that cells find at the same path."""
        return self.folder

    @property
    def gateway(self) -> psutil.Process:
        raise NotImplementedError

    def spec(self, name: str = "link") -> SessionSpec:
        return SessionSpec(SessionKey("machine", "link.ipynb", name), Request.parse("H100"))

    def start(self, code: str, name: str = "link") -> CellRun:
        return self.client.run_cell(CellSource(code, new_header()), self.spec(name))

    def session(self, name: str = "link") -> Session:
        (found,) = [one for one in self.client.sessions() if one.name == name]
        return found

    def agent(self, session: Session) -> psutil.Process:
        return next(one for one in self.of_lease(session) if is_agent(one))

    def of_lease(self, session: Session) -> list[psutil.Process]:
        return [one for one in psutil.process_iter() if session.lease_id in _values(one)]

    def end_gateway(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Ends everything; fails when processes are left that should have ended."""
        self.end_gateway()
        self.client.close()
        for name, value in self._environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        left = processes_of(self.folder)
        for process in left:
            kill(process)
        shutil.rmtree(self.folder, ignore_errors=True)
        assert not left, f"these processes outlived the test: {left}"


class OwnWorld(World):
    """With an embedded gateway, which the client starts, and starts again."""

    @property
    def gateway(self) -> psutil.Process:
        facts = EmbeddedFacts.read(self.folder)
        assert facts is not None
        return psutil.Process(facts.pid)

    def end_gateway(self) -> None:
        self.client.sessions()  # starts one, where the last was killed
        self.client.stop_all(lambda _: True)
        self.client.close()  # it would start another
        gateway = self.gateway
        gateway.terminate()
        gateway.wait(DEADLINE_S)


class FarWorld(World):
    """With a gateway process to be killed. `clients` and `agents` are the proxies before and behind it."""

    ping_s = PING_S
    wanted_within_s = WANTED_WITHIN_S
    spawner = "process"

    @property
    def config(self) -> dict[str, dict[str, Any]]:
        """What the gateway's operator has written."""
        return {}

    def prepare(self) -> None:
        self._ping_s_before = gateway_client.PING_S
        gateway_client.PING_S = self.ping_s
        self._token = secrets.token_hex(16)
        self._log = (self.folder / "gateway.log").open("ab")
        self._process: subprocess.Popen[str] | None = None
        self._port = 0
        self.kills = 0
        self.start_gateway()
        self._proxies = Proxies()
        self.clients = self._proxies.tcp(self._dial_gateway)
        self.agents_socket.parent.mkdir()
        self.agents = self._proxies.unix(self.agents_socket, self._dial_socket)
        save_login(Address(f"http://127.0.0.1:{self.clients.port}", self._token))

    @property
    def agents_socket(self) -> Path:
        """Where agents find a gateway; alone in its folder, which containers have mounted."""
        return self.folder / "behind" / "agents.sock"

    # --- the gateway ---

    @property
    def gateway(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    @property
    def cuts(self) -> int:
        return self.clients.cuts + self.agents.cuts + self.kills

    def start_gateway(self, die_at: str | None = None) -> None:
        """One that is killed by itself when it comes to the point `die_at` of `deaths`, where there is one."""
        given = json.dumps(
            {
                "folder": str(self.folder),
                "token": self._token,
                "ping_s": self.ping_s,
                "wanted_within_s": self.wanted_within_s,
                "die_at": die_at,
                "agents_socket": str(self.agents_socket),
                "spawner": self.spawner,
                "config": self.config,
            }
        )
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM), given], stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def kill_gateway(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait(DEADLINE_S)
        self._process.stdout.close()

    def restart_gateway(self, die_at: str | None = None) -> None:
        self.kill_gateway()
        self.kills += 1
        self.start_gateway(die_at)

    def see_gateway_die(self) -> None:
        """Waits for the gateway's own death."""
        assert self._process is not None
        self._process.wait(DEADLINE_S)

    def calm(self) -> None:
        self.clients.calm()
        self.agents.calm()

    def _dial_gateway(self) -> Awaitable[Pipe]:
        return asyncio.open_connection("127.0.0.1", self._port, limit=PIECE_BYTES)

    def _dial_socket(self) -> Awaitable[Pipe]:
        return asyncio.open_unix_connection(str(config.socket_path(self.folder)), limit=PIECE_BYTES)

    def end_gateway(self) -> None:
        self.calm()
        self.client.stop_all(lambda _: True)
        self.kill_gateway()
        self._proxies.close()
        self._log.close()
        gateway_client.PING_S = self._ping_s_before


def _values(process: psutil.Process) -> set[str]:
    try:
        return set(process.environ().values())
    except psutil.Error:
        return set()
