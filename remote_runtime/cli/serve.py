"""``farcell serve``: the gateway as a service, in the foreground."""

from __future__ import annotations

import asyncio
import logging
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import BadRequest, Conflict
from .command import DEBUG_FLAG, Command, console
from .gateway import DEFAULT_PORT, Gateway
from .tables import offers_table, show

_log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from ..gateway.application import Gateway as RunningGateway

FOLDER_ALIASES = {
    "folder": ("Gateway.folder", "its database, leases and caches (default: 'serve' in the data folder)"),
    "database-url": ("Gateway.database_url", "a database other than SQLite in that folder"),
}


class Serve(Command):
    name = "farcell serve"
    description = (
        "Serves a gateway until SIGTERM or Ctrl-C; leases run on, and the next one takes them over. "
        "It listens on loopback unless it is told otherwise, and then wants TLS. In farcell_config.py, "
        "c.Gateway.spawners names the places where containers run, and c.ProcessSpawner and the like set them up."
    )
    classes: list[Any] = [Gateway]
    aliases: dict[str, Any] = FOLDER_ALIASES | {
        "host": ("Gateway.host", "address to listen on (default: 127.0.0.1)"),
        "port": ("Gateway.port", f"default: {DEFAULT_PORT}; 0 takes any that is free"),
        "certfile": ("Gateway.certfile", "PEM file of the TLS certificate"),
        "keyfile": ("Gateway.keyfile", "PEM file of its key"),
        "host-name": ("Gateway.host_names", "a name by which clients reach it; may be given more than once"),
        "simulate": ("Gateway.simulate", "simulated devices, such as H100:2,T4:4"),
        "gpu-table": ("Gateway.gpu_table", "TOML file with GPU types and prices of your own"),
    }
    flags: dict[str, Any] = {
        "insecure-no-tls": (
            {"Gateway": {"insecure_no_tls": True}},
            "serve plain HTTP to other machines: only where something else encrypts the way",
        )
    } | DEBUG_FLAG

    shown_log_level = logging.INFO

    def run(self) -> None:
        if sys.platform != "linux":
            raise BadRequest("a gateway needs Linux; here, log in to one with 'farcell login URL'")
        from ..gateway.service import lock_folder, serve

        gateway = Gateway(config=self.config)
        options, table = gateway.options(), gateway.table()
        if not lock_folder(gateway.path):
            raise Conflict(f"another gateway serves from {gateway.path}: stop it, or take another --folder")
        setup = gateway.setup(table)
        chosen = gateway.choose_spawners(setup)
        for name, why in chosen.items():
            _log.info("spawner %s: %s", name, why or "as configured")
        spawners = gateway.open_spawners(setup, chosen)
        asyncio.run(serve(options, spawners, table, partial(_announce, gateway, chosen)))


async def _announce(gateway: Gateway, spawners: dict[str, str], running: RunningGateway) -> None:
    from ..gateway.users import list_users

    console.print(f"serving on {gateway.url(running.port)} with spawners {', '.join(spawners)}")
    for name, why in spawners.items():
        if why:
            console.print(f"{name}: {why}")
    show(offers_table(await running.places.offers()))
    if not await running.database.read(list_users):
        console.print(f"there are no users yet: {_user_command(gateway)}")


def _user_command(gateway: Gateway) -> str:
    """What makes the first user, with this gateway's own folder and database where they are not the usual ones."""
    usual = Gateway()
    folder = "" if gateway.folder == usual.folder else f" --folder {gateway.folder}"
    database_url = f" --database-url {gateway.database_url}" if gateway.database_url else ""
    return f"farcell user add NAME{folder}{database_url}"
