"""A gateway process to be killed, whose agents reach it by a socket that the test has put in between."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path

from deaths import die_at
from traitlets.config import Config

from farcell.remote_runtime import config
from farcell.remote_runtime.api import default_table
from farcell.remote_runtime.errors import FarcellError
from farcell.remote_runtime.gateway import recovery, users
from farcell.remote_runtime.gateway.application import Gateway
from farcell.remote_runtime.gateway.options import GatewayOptions
from farcell.remote_runtime.gateway.service import serve
from farcell.remote_runtime.spawners.contract import ContainerSpec, Spawner, SpawnerSetup
from farcell.remote_runtime.spawners.docker.spawner import DockerSpawner
from farcell.remote_runtime.spawners.process import ProcessSpawner

USER = "ada"


class BehindProxy(Spawner):
    """Gives agents the proxy's socket instead of the gateway's own, which a container then does not even see."""

    agents_socket: Path

    async def start(self, spec: ContainerSpec) -> None:
        await super().start(replace(spec, socket=self.agents_socket))


class ProcessesBehindProxy(BehindProxy, ProcessSpawner):
    """Whose containers are process groups."""


class ContainersBehindProxy(BehindProxy, DockerSpawner):
    """Whose containers are an engine's."""


SPAWNERS: tuple[type[BehindProxy], ...] = (ProcessesBehindProxy, ContainersBehindProxy)


def announcing(token: str) -> object:
    async def announce(gateway: Gateway) -> None:
        try:
            await gateway.database.write(
                lambda connection: users.add_user(connection, USER, users.Role.OPERATOR)
            )
            await gateway.database.write(lambda connection: users.add_token(connection, USER, token))
        except FarcellError:
            pass  # a gateway before this one has done so
        sys.stdout.write(f"{gateway.port}\n")
        sys.stdout.flush()

    return announce


def main() -> None:
    given = json.loads(sys.argv[1])
    folder = Path(given["folder"])
    logging.basicConfig(level=logging.INFO, format=config.LOG_FORMAT)
    if given["die_at"]:
        die_at(given["die_at"])
    recovery.WANTED_WITHIN_S = given["wanted_within_s"]
    table = default_table()
    setup = SpawnerSetup(folder, dict(os.environ), "H100:8", table, Config(given["config"]))
    (kind,) = (one for one in SPAWNERS if one.name == given["spawner"])
    spawner = kind.configured(setup)
    spawner.agents_socket = Path(given["agents_socket"])
    options = GatewayOptions(folder, ping_s=given["ping_s"])
    asyncio.run(serve(options, {kind.name: spawner}, table, announcing(given["token"])))


main()
