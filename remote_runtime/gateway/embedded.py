"""The embedded gateway: one user's own, on loopback, started by the first client that needs it."""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
from pathlib import Path

from sqlalchemy import Connection
from traitlets.config import Config

from .. import config
from ..api import default_table
from ..embedded_facts import EmbeddedFacts
from ..spawners.contract import SpawnerSetup
from ..spawners.process import ProcessSpawner
from . import users
from .application import Gateway
from .options import GatewayOptions
from .service import lock_folder, serve


def serve_embedded(ready_fd: int) -> int:
    """Serves until nobody needs it; returns the exit code. A second one ends at once: its client finds the first."""
    folder = config.data_dir()
    logging.basicConfig(level=logging.INFO, format=config.LOG_FORMAT)
    if lock_folder(folder):
        asyncio.run(_serve(folder, ready_fd))
    return 0


async def _serve(folder: Path, ready_fd: int) -> None:
    async def announce(gateway: Gateway) -> None:
        token = await gateway.database.write(_renew_local_user)
        url = f"http://127.0.0.1:{gateway.port}"
        EmbeddedFacts(url, token, os.getpid(), setup.simulate).write(folder)
        os.write(ready_fd, b"ready\n")
        os.close(ready_fd)

    setup = SpawnerSetup(folder, config.environment(), config.simulate(), default_table(), Config())
    spawner = ProcessSpawner.configured(setup)
    try:
        await serve(
            GatewayOptions(folder=folder, embedded=True), {spawner.name: spawner}, setup.table, announce
        )
    finally:
        EmbeddedFacts.remove(folder)


def _renew_local_user(connection: Connection) -> str:
    """The one user of an embedded gateway, with a new token in place of those of earlier processes."""
    name = getpass.getuser()
    if all(user.name != name for user in users.list_users(connection)):
        users.add_user(connection, name, users.Role.OPERATOR)
    users.remove_tokens(connection, name)
    token = users.new_token()
    users.add_token(connection, name, token)
    return token
