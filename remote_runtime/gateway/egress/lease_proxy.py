"""The proxy of one lease: a unix socket that only its container sees, and the clients that come to it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from ...api import LeaseId, Network
from ...piping import READ_AHEAD_BYTES, Connection
from .dialer import Dialer
from .egress_log import EgressLog
from .proxy import ProxiedClient
from .refusal import Refusal

_log = logging.getLogger(__name__)

MAX_CONNECTIONS = 128
"""Of one lease, at the same time; uv alone opens 50."""
BACKLOG = 128


def bind(path: Path) -> socket.socket:
    """A unix socket that listens at `path`, in place of one of a gateway before this; its folder is made private.

    The path may be longer than a socket's may: it is bound by way of its open folder.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listening.bind(f"/proc/self/fd/{folder}/{path.name}")
        path.chmod(0o600)
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    finally:
        os.close(folder)
    return listening


class LeaseProxy:
    """`serve` runs until `end` is called; `may_come` says whether the gateway has room for one more client at all."""

    def __init__(
        self,
        lease_id: LeaseId,
        network: Network,
        dialer: Dialer,
        log: EgressLog,
        may_come: Callable[[], bool] = lambda: True,
    ) -> None:
        self._lease_id = lease_id
        self._network = network
        self._dialer = dialer
        self._log = log
        self._may_come = may_come
        self._connections: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def connections(self) -> int:
        return len(self._connections)

    async def serve(self, listening: socket.socket) -> None:
        """Takes over the socket."""
        try:
            async with asyncio.TaskGroup() as tasks:
                server = await asyncio.start_unix_server(
                    partial(self._come, tasks), sock=listening, limit=READ_AHEAD_BYTES
                )
                try:
                    await self._ending.wait()
                finally:
                    server.close()
                    for task in self._connections:
                        task.cancel()
        finally:
            listening.close()
            self._ended.set()

    async def end(self) -> None:
        """Breaks all connections; returns when none is left. May be called twice."""
        self._ending.set()
        await self._ended.wait()

    def _come(self, tasks: asyncio.TaskGroup, reader: StreamReader, writer: StreamWriter) -> None:
        client = ProxiedClient(Connection(reader, writer), self._network, self._dialer, self._log)
        if self._ending.is_set():
            writer.transport.abort()
            return
        if self.connections < MAX_CONNECTIONS and self._may_come():
            work = client.attend
        elif self.connections < 2 * MAX_CONNECTIONS:
            why = f"there are {self.connections} connections already: close some, or try again"
            work = partial(client.turn_away, Refusal(503, why))
        else:
            writer.transport.abort()
            return
        task = tasks.create_task(self._guarded(work))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:  # noqa: BLE001 (a task's outermost level: one client's trouble is not the others')
            _log.exception("lease %s: a connection through the proxy failed", self._lease_id)
