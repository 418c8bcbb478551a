"""A gateway process to be killed: serves on the folder and with the options that it is told, and says its port."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from farcell.remote_runtime.api import default_table
from farcell.remote_runtime.gateway.application import Gateway
from farcell.remote_runtime.gateway.options import GatewayOptions
from farcell.remote_runtime.gateway.service import serve
from farcell.remote_runtime.spawners.machine import AGENT_COMMAND
from farcell.remote_runtime.spawners.process import ProcessSettings, ProcessSpawner


async def announce(gateway: Gateway) -> None:
    sys.stdout.write(f"{gateway.port}\n")
    sys.stdout.flush()


def main() -> None:
    given = json.loads(sys.argv[1])
    folder = Path(given["folder"])
    agent = tuple(given.get("agent", AGENT_COMMAND))
    settings = ProcessSettings(
        folder / "containers", dict(os.environ), given["simulate"], agent_command=agent
    )
    spawner = ProcessSpawner(settings)
    options = GatewayOptions(folder, port=given["port"], **given.get("options", {}))
    asyncio.run(serve(options, {spawner.name: spawner}, default_table(), announce))


main()
