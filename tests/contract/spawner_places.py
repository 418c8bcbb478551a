"""Places to run the spawners' contract suite on: one class per spawner, behind the same few verbs."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from farcell.remote_runtime.api import Device, GatewayId, LeaseId, SessionId
from farcell.remote_runtime.spawners.contract import ContainerSpec, Spawner
from farcell.remote_runtime.spawners.process import ProcessSettings, ProcessSpawner

HERE = Path(__file__).parent
AGENT_COMMAND = (sys.executable, str(HERE / "agent_program.py"))
TOKEN = "a-token-that-nobody-else-may-see"
DEADLINE_S = 90.0


async def until(holds: Callable[[], Any]) -> Any:
    """Waits for `holds` to give something true, and gives that."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{holds} still does not hold"
        await asyncio.sleep(0.005)
    return found


@dataclass
class ProcessPlace:
    """The process spawner with one containment. Each spawner that it opens is what a new gateway process would make."""

    containment: str
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="farcell-")))
    gateway_id: GatewayId = field(default_factory=lambda: GatewayId(secrets.token_hex(4)))
    opened: list[Spawner] = field(default_factory=list)

    @property
    def settings(self) -> ProcessSettings:
        return ProcessSettings(
            root=self.folder / "containers",
            environment=dict(os.environ),
            simulate="H100:2,T4",
            containment=self.containment,
            agent_command=AGENT_COMMAND,
        )

    def open(self, **changes: Any) -> ProcessSpawner:
        spawner = ProcessSpawner(replace(self.settings, **changes))
        self.opened.append(spawner)
        return spawner

    def open_broken(self) -> ProcessSpawner:
        """A spawner whose place can't start anything."""
        return self.open(agent_command=("/nowhere/agent",))

    def spec(
        self, behaviour: str = "idle", *, gateway_id: GatewayId | None = None, devices: Sequence[Device] = ()
    ) -> ContainerSpec:
        lease_id = LeaseId(secrets.token_hex(4))
        folder = self.folder / lease_id
        folder.mkdir(mode=0o700)
        (folder / "behaviour").write_text(behaviour)
        return ContainerSpec(
            gateway_id=gateway_id or self.gateway_id,
            session_id=SessionId("session"),
            lease_id=lease_id,
            owner="ada",
            offer="H100",
            devices=tuple(devices),
            folder=folder,
            cache=self.folder / "cache",
            socket=self.folder / "gateway.sock",
            token=TOKEN,
        )

    async def pids(self, spec: ContainerSpec) -> list[int]:
        """The processes that the container's program made, the agent's first, once it has made them all."""
        path = spec.folder / "work" / "pids"
        await until(path.exists)
        return list(json.loads(path.read_text()))

    async def seen(self, spec: ContainerSpec) -> dict[str, Any]:
        """What the container's program saw: argv, environment and so on."""
        await self.pids(spec)
        return dict(json.loads((spec.folder / "work" / "seen.json").read_text()))

    async def start_in_doomed_gateway(self, spec: ContainerSpec) -> None:
        """Starts it from another process, and kills that."""
        given = {
            "root": str(self.folder / "containers"),
            "containment": self.containment,
            "agent_command": AGENT_COMMAND,
            "folder": str(spec.folder),
            "gateway_id": spec.gateway_id,
            "lease_id": spec.lease_id,
        }
        command = [sys.executable, str(HERE / "gateway_program.py"), json.dumps(given)]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"started\n"
        process.kill()
        await process.wait()

    def processes(self) -> list[psutil.Process]:
        """Every process of this place's containers that still carries its mark."""
        return [process for process in psutil.process_iter() if self._is_here(process)]

    def _is_here(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("HOME", "").startswith(str(self.folder)) and is_running(process.pid)
        except psutil.Error:
            return False

    def leftovers(self, spec: ContainerSpec) -> list[Path]:
        """What a container has left beside its lease's folder, and of what is secret in it."""
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
