"""Where cells run in containers of the tests' own engine, with faulty proxies before and behind the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
from docker_engine import DockerEngine, docker_client
from far_machine import eventually
from far_world import FarWorld

from farcell.remote_runtime.api import Session
from farcell.remote_runtime.spawners.docker.container import container_name
from farcell.remote_runtime.spawners.docker.layout import KERNEL_UID


class DockerWorld(FarWorld):
    """Containers have the folder of the proxy's socket mounted, and cells the folder `shared`."""

    spawner = "docker"

    def __init__(self, engine: DockerEngine) -> None:
        self.engine = engine
        super().__init__()

    def prepare(self) -> None:
        self.shared.mkdir()
        self.shared.chmod(0o777)
        super().prepare()

    @property
    def shared(self) -> Path:
        return self.folder / "shared"

    @property
    def config(self) -> dict[str, dict[str, Any]]:
        mounts = [(str(self.shared), str(self.shared), True)]
        return {"DockerSpawner": self.engine.traits(mounts=mounts)}

    def of_lease(self, session: Session) -> list[psutil.Process]:
        """Without the engine's own process, which has the lease's id in its environment, too."""
        return [one for one in super().of_lease(session) if one.name() not in ("docker-init", "tini")]

    def kernel(self, session: Session) -> psutil.Process:
        """The agent's child that is another user."""
        (kernel,) = [one for one in self.agent(session).children() if one.uids().real == KERNEL_UID]
        return kernel

    @staticmethod
    def container(session: Session) -> str:
        """As the engine calls it."""
        assert session.lease_id is not None
        return container_name(session.lease_id)

    def containers(self) -> list[str]:
        """All that the engine has of this world's, whether they run or not."""
        with docker_client(self.engine) as client:
            found = client.containers(all=True, filters={"label": "farcell.lease"})
        return [one["Id"] for one in found if str(self.folder) in str(one["Mounts"])]

    def end_gateway(self) -> None:
        self.calm()
        self.client.stop_all(lambda _: True)
        eventually(lambda: not self.containers())
        super().end_gateway()
