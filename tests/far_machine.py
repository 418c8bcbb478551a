"""A data folder with its embedded gateway, simulated devices, and all that runs because of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
from notebook_driver import DEADLINE_S, Notebook
from processes import DATA_DIR, processes_of

from farcell.remote_runtime.api import Session, from_json
from farcell.remote_runtime.client.gateway_client import Address, GatewayClient
from farcell.remote_runtime.embedded_facts import EmbeddedFacts

T = TypeVar("T")
DEVICES = "H100:2,T4:1,L4:8"
AGENTS = frozenset({"farcell.remote_runtime.agent", "farcell.remote_runtime.agent.contained"})
NOT_INHERITED = ("JPY_SESSION_NAME", "JPY_PARENT_PID", "FARCELL_SIMULATE", DATA_DIR)


class FarMachine:
    """Kernels that `notebook` starts have a home of their own, and this machine's gateway."""

    def __init__(self, devices: str = DEVICES) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="farcell-"))
        self.home = Path(tempfile.mkdtemp(prefix="farcell-home-"))
        self.devices = devices
        self.shared: Path | None = None
        """A folder that cells find at the same path, where not all of the machine's are."""
        self._notebooks = ExitStack()

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        return {
            **inherited,
            "HOME": str(self.home),
            "IPYTHONDIR": str(self.home / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(self.home / "runtime"),
            DATA_DIR: str(self.folder),
            "FARCELL_SIMULATE": self.devices,
        }

    def notebook(self, path: str | None = None, *, load: bool = True, python: Path | None = None) -> Notebook:
        """A notebook in a new kernel; with `path` as Jupyter Server would start it. It is closed with the machine."""
        environment = self.environment | ({"JPY_SESSION_NAME": path} if path else {})
        return self._notebooks.enter_context(Notebook(self.home, environment, load=load, python=python))

    def far_notebook(self, path: str | None = None, gpu: str = "H100") -> Notebook:
        """The same in a Farcell kernel."""
        environment = self.environment | ({"JPY_SESSION_NAME": path} if path else {})
        return self._notebooks.enter_context(Notebook(self.home, environment, gpu=gpu))

    # --- the gateway ---

    @property
    def gateway(self) -> psutil.Process:
        return psutil.Process(self.facts.pid)

    @property
    def facts(self) -> EmbeddedFacts:
        facts = EmbeddedFacts.read(self.folder)
        assert facts is not None, "no gateway has been started"
        return facts

    def get(self, path: str) -> Any:
        return self._ask("get_json", path)

    def post(self, path: str, body: object) -> Any:
        return self._ask("post_json", path, body)

    def sessions(self) -> list[Session]:
        return [from_json(Session, value) for value in self.get("/farcell/v1/sessions")["sessions"]]

    def session(self, name: str) -> Session:
        (session,) = [session for session in self.sessions() if session.name == name]
        return session

    def _ask(self, verb: str, *arguments: object) -> Any:
        async def ask() -> Any:
            with closing(GatewayClient(Address(self.facts.url, self.facts.token))) as client:
                return await getattr(client, verb)(*arguments)

        return asyncio.run(ask())

    # --- processes ---

    def processes(self) -> list[psutil.Process]:
        return processes_of(self.folder)

    def of_lease(self, session: Session) -> list[psutil.Process]:
        """The agent, the kernel and all that they started, found by the lease's id in the environment."""
        return [one for one in psutil.process_iter() if session.lease_id in _values(one)]

    def agent(self, session: Session) -> psutil.Process:
        (agent,) = [one for one in self.of_lease(session) if is_agent(one)]
        return agent

    def close(self) -> None:
        """Ends everything; fails when processes are left that should have ended."""
        self._notebooks.close()
        facts = EmbeddedFacts.read(self.folder)
        if facts is not None and psutil.pid_exists(facts.pid):
            gateway = psutil.Process(facts.pid)
            self.post("/farcell/v1/shutdown", {})
            gateway.wait(DEADLINE_S)
        left = self.processes()
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=30)
        for folder in (self.folder, self.home):
            shutil.rmtree(folder, ignore_errors=True)
        assert not left, f"these processes outlived the tests: {left}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def eventually(ask: Callable[[], T], *, within_s: float = DEADLINE_S) -> T:
    """What `ask` answers, as soon as that is true."""
    deadline = time.monotonic() + within_s
    while not (answer := ask()):
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.02)
    return answer


def is_agent(process: psutil.Process) -> bool:
    """Of a process or of a container."""
    return not AGENTS.isdisjoint(process.cmdline())


def kill(process: psutil.Process) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(DEADLINE_S)


def _values(process: psutil.Process) -> set[str]:
    try:
        return set(process.environ().values())
    except psutil.Error:
        return set()
