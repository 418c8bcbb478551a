"""The Docker spawner as a place for the contract suite, on the tests' own engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import psutil
from docker_engine import DockerEngine, docker_client
from spawner_places import SIMULATED, Place, until
from traitlets.config import Config

from farcell.remote_runtime.api import Isolation, default_table
from farcell.remote_runtime.spawners.contract import ContainerSpec, SpawnerSetup
from farcell.remote_runtime.spawners.docker.container import ExtraMount, container_name
from farcell.remote_runtime.spawners.docker.devices import container_of
from farcell.remote_runtime.spawners.docker.options import DockerOptions
from farcell.remote_runtime.spawners.docker.spawner import DockerSpawner

HERE = Path(__file__).parent
PROGRAM = ("python3", "/contract/agent_program.py")
"""What stands in for the agent, with the image's own Python."""
GONE = 1 << 30
"""A number that no process has: that of one which ended before anybody looked."""


def open_docker(engine: DockerEngine, runtime: str, folder: Path, **changes: Any) -> DockerSpawner:
    traits = engine.traits(runtimes={"container": runtime})
    options = DockerOptions(config=Config(DockerSpawner=traits))
    setup = SpawnerSetup(folder, dict(os.environ), SIMULATED, default_table(), Config())
    played = {"agent_command": PROGRAM, "mounts": (ExtraMount(HERE, "/contract"),)}
    return DockerSpawner(replace(options.settings(setup), **{**played, **changes}), default_table())


@dataclass(kw_only=True)
class DockerPlace(Place):
    """The tests' engine with one runtime."""

    engine: DockerEngine
    runtime: str = "runc"
    refusal: ClassVar[str] = "nowhere"
    many: ClassVar[int] = 5
    refuses_devices: ClassVar[str] = "device driver"
    sees_the_machine: ClassVar[bool] = False

    def open(self, **changes: Any) -> DockerSpawner:
        spawner = open_docker(self.engine, self.runtime, self.folder, **changes)
        self.opened.append(spawner)
        return spawner

    def open_broken(self) -> DockerSpawner:
        return self.open(runtimes={Isolation.CONTAINER: "nowhere"})

    def spec(self, behaviour: str = "idle", **facts: Any) -> ContainerSpec:
        spec = super().spec(behaviour, **facts)
        (spec.folder / "work").mkdir()
        return spec

    async def pids(self, spec: ContainerSpec) -> list[int]:
        """As this machine numbers them."""
        inner = await self.made(spec)
        with docker_client(self.engine) as client:
            container = client.inspect_container(container_name(spec.lease_id))["Id"]
        found = dict(_numbers(container))
        return [found.get(pid, GONE) for pid in inner]

    def gateway(self) -> dict[str, Any]:
        return {"engine": str(self.engine.folder), "runtime": self.runtime, "root": str(self.folder)}

    def seen_paths(self, spec: ContainerSpec) -> tuple[str, str]:
        return f"/farcell/gateway/{spec.socket.name}", "/cache"

    def processes(self) -> list[str]:
        return self._names({"status": ["created", "running", "paused", "restarting"]})

    def leftovers(self, spec: ContainerSpec) -> list[object]:
        names = [name for name in self._names({}) if spec.lease_id in name]
        return [*names, *(path for path in (spec.folder / "token",) if path.exists())]

    def inspect(self, spec: ContainerSpec) -> dict[str, Any]:
        """What the engine knows of the container."""
        with docker_client(self.engine) as client:
            return dict(client.inspect_container(container_name(spec.lease_id)))

    async def until_over(self, spec: ContainerSpec) -> None:
        await until(lambda: not self.inspect(spec)["State"]["Running"])

    def _names(self, filters: dict[str, Any]) -> list[str]:
        """Of this place's containers, whichever of its gateways they belong to."""
        with docker_client(self.engine) as client:
            found = client.containers(all=True, filters={"label": "farcell.lease", **filters})
        return [one["Names"][0] for one in found if str(self.folder) in str(one["Mounts"])]


def _numbers(container: str) -> Iterator[tuple[int, int]]:
    """Of each of its processes, as it numbers them and as the machine does."""
    for pid in psutil.pids():
        if container_of(pid) == container:
            with suppress(OSError, StopIteration):
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                numbers = next(line for line in lines if line.startswith("NSpid:")).split()
                yield int(numbers[-1]), pid
