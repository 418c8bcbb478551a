"""The embedded gateway: one user's own, on loopback, started by the first client that needs it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import getpass
import logging
import os
import signal
from pathlib import Path

from sqlalchemy import Connection, delete

from .. import config
from ..api import default_table
from ..embedded_facts import EmbeddedFacts
from ..spawners.process import ProcessSettings, ProcessSpawner
from . import users
from .application import Gateway, open_gateway
from .options import GatewayOptions
from .tables import tokens

_log = logging.getLogger(__name__)


def serve_embedded(ready_fd: int) -> int:
    """Serves until nobody needs it; returns the exit code. A second one beside it ends at once, its client finds the first."""
    folder = config.data_dir()
    config.make_private(folder)
    with (folder / "embedded.lock").open("w") as lock, contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        asyncio.run(_serve(folder, ready_fd))
    return 0


async def _serve(folder: Path, ready_fd: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    simulate = config.simulate()
    settings = ProcessSettings(
        root=folder / "containers", environment=config.environment(), simulate=simulate
    )
    spawner = ProcessSpawner(settings)
    options = GatewayOptions(folder=folder, embedded=True)
    async with open_gateway(options, {spawner.name: spawner}, default_table()) as gateway:
        token = await gateway.database.write(_renew_local_user)
        EmbeddedFacts(f"http://127.0.0.1:{gateway.port}", token, os.getpid(), simulate).write(folder)
        os.write(ready_fd, b"ready\n")
        os.close(ready_fd)
        stop_on_signals(gateway)
        await gateway.wait()
        EmbeddedFacts.remove(folder)


def stop_on_signals(gateway: Gateway) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, gateway.stop)


def _renew_local_user(connection: Connection) -> str:
    """The one user of an embedded gateway, with a new token in place of those of earlier processes."""
    name = getpass.getuser()
    local = next((user for user in users.list_users(connection) if user.name == name), None)
    if local is None:
        local = users.add_user(connection, name, users.Role.OPERATOR)
    connection.execute(delete(tokens).where(tokens.c.user_id == local.id))
    token = users.new_token()
    users.add_token(connection, name, token)
    return token
