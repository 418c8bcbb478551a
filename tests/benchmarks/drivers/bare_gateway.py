"""A gateway's process whose containers never do anything: agents are played by whoever has their tokens.

``bare_gateway.py FOLDER``: prints where it is as one JSON line, and serves until SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import ClassVar

from farcell.remote_runtime.api import Device, GatewayId, GpuTable, LeaseId, Offer, default_table
from farcell.remote_runtime.gateway import users
from farcell.remote_runtime.gateway.application import Gateway
from farcell.remote_runtime.gateway.options import GatewayOptions
from farcell.remote_runtime.gateway.service import serve
from farcell.remote_runtime.spawners.contract import Container, ContainerSpec, ContainerState, Spawner
from farcell.remote_runtime.spawners.offers import device_offers

DEVICES = 1_000


class NothingSpawner(Spawner):
    """Containers are names in a list."""

    name: ClassVar[str] = "nothing"

    def __init__(self) -> None:
        self._containers: dict[LeaseId, Container] = {}

    async def offers(self, table: GpuTable) -> list[Offer]:
        devices = [Device(f"GPU-{number}", "H100", 80 << 30, simulated=True) for number in range(DEVICES)]
        return [*device_offers(devices, table, self.name)]

    async def start(self, spec: ContainerSpec) -> None:
        written = spec.folder / "written"
        written.write_text(spec.token, "utf-8")
        written.rename(spec.folder / "token")
        labels = (spec.gateway_id, spec.session_id, spec.lease_id)
        self._containers[spec.lease_id] = Container(*labels, ContainerState.RUNNING)

    async def stop(self, lease_id: LeaseId) -> None:
        self._containers.pop(lease_id, None)

    async def list(self, _gateway_id: GatewayId) -> list[Container]:
        return [*self._containers.values()]


async def announce(gateway: Gateway) -> None:
    token = users.new_token()
    await gateway.database.write(lambda connection: users.add_user(connection, "ada", users.Role.USER))
    await gateway.database.write(lambda connection: users.add_token(connection, "ada", token))
    facts = {"port": gateway.port, "socket": str(gateway.keeper.folders.socket), "token": token}
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(
        serve(GatewayOptions(Path(sys.argv[1])), {"nothing": NothingSpawner()}, default_table(), announce)
    )
