"""A gateway as a process: alone on its folder, until a signal or somebody with the right to it says stop."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from .. import config
from ..api import GpuTable
from ..spawners.contract import Spawner
from .application import Gateway, open_gateway
from .options import GatewayOptions

SWITCH_S = 0.0005
"""How long a thread at the database may keep the event loop, which relays cells, from going on; Python's is 5 ms."""


def lock_folder(folder: Path) -> bool:
    """Whether the folder, which is made if need be, is this process's from now on.

    The lock goes when the process has gone, however it ends. Clients look at it to know whether a gateway is there.
    """
    config.make_private(folder)
    lock = os.open(folder / config.GATEWAY_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    return True


async def serve(
    options: GatewayOptions,
    spawners: Mapping[str, Spawner],
    table: GpuTable,
    announce: Callable[[Gateway], Awaitable[None]],
) -> None:
    """Serves until SIGTERM, SIGINT or `Gateway.stop`; leases run on. `announce` is awaited once it listens.

    For the process's main thread, and for whoever holds the folder's lock.
    """
    sys.setswitchinterval(SWITCH_S)
    async with open_gateway(options, spawners, table) as gateway:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, gateway.stop)
        await announce(gateway)
        await gateway.wait()
