"""Names to addresses, by the system's own resolver, which blocks."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address

import psutil

from .addresses import Address

Resolve = Callable[[str], Awaitable[Sequence[Address]]]
"""All addresses of a name, best first; raises `OSError` where it has none."""

THREADS = 16


class SystemResolver:
    """A `Resolve` over ``getaddrinfo``, on threads of its own that are made when they are needed."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="farcell-egress")
        self._closed = False

    async def __call__(self, host: str) -> Sequence[Address]:
        if self._closed:
            raise OSError(errno.ESHUTDOWN, "the gateway goes away")
        look_up = partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._executor, look_up)
        return list(dict.fromkeys(ip_address(str(address[0])) for *_, address in found))

    def close(self) -> None:
        """What is still being looked up ends by itself, and goes nowhere."""
        self._closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)


def own_addresses() -> set[Address]:
    """Those of this machine's network interfaces: what listens there is not meant for containers by that."""
    families = (socket.AF_INET, socket.AF_INET6)
    return {
        ip_address(one.address.partition("%")[0])
        for interface in psutil.net_if_addrs().values()
        for one in interface
        if one.family in families
    }
