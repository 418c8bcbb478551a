"""Places to run the spawners' contract suite on: one class per spawner, behind the same few verbs."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import psutil

from farcell.remote_runtime.api import Device, GatewayId, LeaseId, SessionId
from farcell.remote_runtime.spawners.contract import ContainerSpec, Spawner
from farcell.remote_runtime.spawners.process import ProcessSettings, ProcessSpawner

HERE = Path(__file__).parent
AGENT_COMMAND = (sys.executable, str(HERE / "agent_program.py"))
TOKEN = "a-token-that-nobody-else-may-see"
SIMULATED = "H100:2,T4"
DEADLINE_S = 90.0


async def until(holds: Callable[[], Any]) -> Any:
    """Waits for `holds` to give something true, and gives that."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{holds} still does not hold"
        await asyncio.sleep(0.005)
    return found


@dataclass
class Place(ABC):
    """One place. Each spawner that it opens is what a new gateway process would make."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="farcell-")))
    gateway_id: GatewayId = field(default_factory=lambda: GatewayId(secrets.token_hex(4)))
    opened: list[Spawner] = field(default_factory=list)

    refusal: ClassVar[str]
    """What a spawner says whose place can't start anything."""
    refuses_devices: ClassVar[str] = ""
    """What it says where it looks for devices that a test made up; empty: it hands on what it is told."""
    many: ClassVar[int]
    """How many containers are many, for the machine that the tests run on."""
    sees_the_machine: ClassVar[bool]
    """Whether a container has the machine's own files and processes, so that these outlive its agent."""

    @abstractmethod
    def open(self, **changes: Any) -> Spawner: ...

    @abstractmethod
    def open_broken(self) -> Spawner:
        """A spawner whose place can't start anything."""

    @abstractmethod
    async def pids(self, spec: ContainerSpec) -> list[int]:
        """The processes that the container's program made, the agent's first, once it has made them all."""

    @abstractmethod
    def processes(self) -> Sequence[object]:
        """One thing for each container that runs here, or more."""

    @abstractmethod
    def leftovers(self, spec: ContainerSpec) -> Sequence[object]:
        """What a container has left beside its lease's folder, and of what is secret in it."""

    @abstractmethod
    def gateway(self) -> dict[str, Any]:
        """What another process needs to know to open this place."""

    @abstractmethod
    def seen_paths(self, spec: ContainerSpec) -> tuple[str, str]:
        """Where a container finds the gateway's socket and its owner's cache."""

    def spec(
        self, behaviour: str = "idle", *, gateway_id: GatewayId | None = None, devices: Sequence[Device] = ()
    ) -> ContainerSpec:
        lease_id = LeaseId(secrets.token_hex(4))
        folder = self.folder / lease_id
        folder.mkdir(mode=0o700)
        (folder / "behaviour").write_text(behaviour)
        agents = self.folder / "agents"
        agents.mkdir(mode=0o700, exist_ok=True)
        return ContainerSpec(
            gateway_id=gateway_id or self.gateway_id,
            session_id=SessionId("session"),
            lease_id=lease_id,
            owner="ada",
            offer="H100",
            devices=tuple(devices),
            folder=folder,
            cache=self.folder / "cache",
            socket=agents / "gateway.sock",
            token=TOKEN,
        )

    async def made(self, spec: ContainerSpec) -> list[int]:
        """The same processes, as their container numbers them."""
        path = spec.folder / "work" / "pids"
        await until(path.exists)
        return list(json.loads(path.read_text()))

    async def seen(self, spec: ContainerSpec) -> dict[str, Any]:
        """What the container's program saw: argv, environment and so on."""
        await self.made(spec)
        return dict(json.loads((spec.folder / "work" / "seen.json").read_text()))

    async def start_in_doomed_gateway(self, spec: ContainerSpec) -> None:
        """Starts it from another process, and kills that."""
        given = {
            **self.gateway(),
            "folder": str(spec.folder),
            "socket": str(spec.socket),
            "gateway_id": spec.gateway_id,
            "lease_id": spec.lease_id,
        }
        command = [sys.executable, str(HERE / "gateway_program.py"), json.dumps(given)]
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, env=environment
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"started\n"
        process.kill()
        await process.wait()


@dataclass
class ProcessPlace(Place):
    """The process spawner with one containment."""

    containment: str = "auto"
    refusal: ClassVar[str] = "/nowhere/agent"
    many: ClassVar[int] = 12
    sees_the_machine: ClassVar[bool] = True

    @property
    def settings(self) -> ProcessSettings:
        return ProcessSettings(
            root=self.folder / "containers",
            environment=dict(os.environ),
            simulate=SIMULATED,
            containment=self.containment,
            agent_command=AGENT_COMMAND,
        )

    def open(self, **changes: Any) -> ProcessSpawner:
        spawner = ProcessSpawner(replace(self.settings, **changes))
        self.opened.append(spawner)
        return spawner

    def open_broken(self) -> ProcessSpawner:
        return self.open(agent_command=("/nowhere/agent",))

    async def pids(self, spec: ContainerSpec) -> list[int]:
        return await self.made(spec)

    def gateway(self) -> dict[str, Any]:
        return {
            "root": str(self.folder / "containers"),
            "containment": self.containment,
            "agent_command": AGENT_COMMAND,
        }

    def seen_paths(self, spec: ContainerSpec) -> tuple[str, str]:
        return str(spec.socket), str(spec.cache)

    def processes(self) -> list[psutil.Process]:
        """Every process of this place's containers that still carries its mark."""
        return [process for process in psutil.process_iter() if self._is_here(process)]

    def _is_here(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("HOME", "").startswith(str(self.folder)) and is_running(process.pid)
        except psutil.Error:
            return False

    def leftovers(self, spec: ContainerSpec) -> list[Path]:
        links = (self.folder / "containers").glob(f"*{spec.lease_id}*")
        groups = Path("/sys/fs/cgroup").glob(f"**/farcell.*{spec.lease_id}")
        sockets = Path(tempfile.gettempdir()).glob(f"farcell-{spec.lease_id}*")
        secret = [path for path in (spec.folder / "token", spec.folder / "run") if path.exists()]
        return [*links, *groups, *sockets, *secret]


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
