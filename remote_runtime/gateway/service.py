"""A gateway as a process: alone on its folder, until a signal or somebody with the right to it says stop."""

from __future__ import annotations

import asyncio
import fcntl
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .. import config
from ..api import GpuTable
from ..spawners.contract import Spawner
from .application import Gateway, open_gateway
from .options import GatewayOptions

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def folder_lock(folder: Path) -> Iterator[bool]:
    """Whether the folder, which is made if need be, is this process's for as long as the block runs.

    The lock goes with the process, however that ends. Clients look at it to know whether a gateway is there.
    """
    config.make_private(folder)
    with (folder / config.GATEWAY_LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


async def serve(
    options: GatewayOptions,
    spawners: Mapping[str, Spawner],
    table: GpuTable,
    announce: Callable[[Gateway], Awaitable[None]],
) -> None:
    """Serves until SIGTERM, SIGINT or `Gateway.stop`; leases run on. `announce` is awaited once it listens.

    For the process's main thread, and for whoever holds the folder's lock.
    """
    async with open_gateway(options, spawners, table) as gateway:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, gateway.stop)
        await announce(gateway)
        await gateway.wait()
