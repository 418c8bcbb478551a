"""A gateway process for the contract suite: starts one lease on a process spawner, says so, and waits to be killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from farcell.remote_runtime.api import GatewayId, LeaseId, SessionId
from farcell.remote_runtime.spawners.contract import ContainerSpec
from farcell.remote_runtime.spawners.process import ProcessSettings, ProcessSpawner


async def main() -> None:
    given = json.loads(sys.argv[1])
    settings = ProcessSettings(
        root=Path(given["root"]),
        environment=dict(os.environ),
        containment=given["containment"],
        agent_command=given["agent_command"],
    )
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
        socket=folder.parent / "gateway.sock",
        token="secret",
    )
    await ProcessSpawner(settings).start(spec)
    sys.stdout.write("started\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


asyncio.run(main())
