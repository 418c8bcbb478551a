"""A gateway process for the contract suite: starts one lease, says so, and waits to be killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from docker_engine import DockerEngine

from farcell.remote_runtime.api import GatewayId, LeaseId, SessionId
from farcell.remote_runtime.spawners.contract import ContainerSpec, Spawner


def open_spawner(given: dict[str, Any]) -> Spawner:
    if "engine" in given:
        from docker_place import open_docker

        return open_docker(DockerEngine(Path(given["engine"]), 0), given["runtime"], Path(given["root"]))
    from farcell.remote_runtime.spawners.process import ProcessSettings, ProcessSpawner

    return ProcessSpawner(
        ProcessSettings(
            root=Path(given["root"]),
            environment=dict(os.environ),
            containment=given["containment"],
            agent_command=given["agent_command"],
        )
    )


async def main() -> None:
    given = json.loads(sys.argv[1])
    folder = Path(given["folder"])
    spec = ContainerSpec(
        gateway_id=GatewayId(given["gateway_id"]),
        session_id=SessionId("session"),
        lease_id=LeaseId(given["lease_id"]),
        owner="ada",
        offer="cpu",
        devices=(),
        folder=folder,
        cache=folder.parent / "cache",
        socket=Path(given["socket"]),
        token="secret",
    )
    await open_spawner(given).start(spec)
    sys.stdout.write("started\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


asyncio.run(main())
