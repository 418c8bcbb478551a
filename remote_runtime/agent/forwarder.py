"""From a loopback port in the container to the gateway's proxy, whose unix socket programs can't be told of.

``python -m farcell.remote_runtime.agent.forwarder SOCKET`` does nothing else: builds of images have it so.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from ..piping import READ_AHEAD_BYTES, Connection, Idle, pipe
from .way_out import HOST, PORT

_log = logging.getLogger(__name__)

IDLE_S = 2 * 3600.0
"""Longer than the proxy's own: it is the proxy that says when a tunnel has ended."""
PATIENCE_S = 20.0
"""A gateway that is being restarted is back by then."""
LOOK_EVERY_S = 0.25
LISTENS = "the way to the gateway's proxy is open"
"""What the program says once it is of use."""
AWAY = b"farcell: the gateway's proxy does not answer: is the gateway being restarted? Try again.\n"
BAD_GATEWAY = (
    b"HTTP/1.1 502 the gateway's proxy does not answer\r\nContent-Type: text/plain\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(AWAY), AWAY)
)


@asynccontextmanager
async def forwarding(proxy: Path, port: int = PORT) -> AsyncIterator[int]:
    """While it is entered, what connects to the port is connected to the proxy; gives the port. Raises `OSError`."""
    listening = socket.create_server((HOST, port))
    async with asyncio.TaskGroup() as tasks:
        running: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(
            partial(_come, tasks, running, proxy), sock=listening, limit=READ_AHEAD_BYTES
        )
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            for task in running:
                task.cancel()


def _come(
    tasks: asyncio.TaskGroup,
    running: set[asyncio.Task[None]],
    proxy: Path,
    reader: StreamReader,
    writer: StreamWriter,
) -> None:
    task = tasks.create_task(_guarded(Connection(reader, writer), proxy))
    running.add(task)
    task.add_done_callback(running.discard)
    task.add_done_callback(lambda _: writer.transport.abort())


async def _guarded(client: Connection, proxy: Path) -> None:
    try:
        await _forward(client, proxy)
    except (OSError, Idle):
        pass
    except Exception:  # noqa: BLE001 (a task's outermost level)
        _log.exception("a connection to the gateway's proxy failed")


async def _forward(client: Connection, proxy: Path) -> None:
    async with client:
        try:
            way = await _reach(proxy)
        except OSError:
            await client.send(BAD_GATEWAY)
            return
        async with way:
            await pipe(client, way, IDLE_S)


async def _reach(proxy: Path) -> Connection:
    """Raises `OSError` when nobody listens for too long."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        try:
            return Connection(*await asyncio.open_unix_connection(str(proxy), limit=READ_AHEAD_BYTES))
        except (ConnectionRefusedError, FileNotFoundError):
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(LOOK_EVERY_S)


async def _forward_for_ever(proxy: Path) -> None:
    async with forwarding(proxy):
        sys.stdout.write(f"{LISTENS}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_forward_for_ever(Path(sys.argv[1])))
