"""A Jupyter Server that holds kernels and relays, with kernels and clients played at the wire level."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1
from jupyter_servers import SUBPROTOCOL, Server, running_server
from load import MESSAGES, SESSIONS, SETTLE_S, core_s_per_message, memory_bytes, server_core
from raw_websockets import RawWebSocket
from serving import Measure, serve
from stream_jupyter_server import UNLIMITED

IDLE = 20
"""Each is a process here: fewer than Farcell holds."""
WARM = 2


class Notebooks:
    """Kernels and, where it is `linked`, a client each."""

    def __init__(self, server: Server, *, linked: bool) -> None:
        self._server = server
        self._linked = linked
        self.clients: list[RawWebSocket] = []

    async def add(self, count: int) -> None:
        for _ in range(count):
            kernel = await asyncio.to_thread(self._server.ask, "POST", "/api/kernels", {"name": "played"})
            if self._linked:
                headers = {**self._server.headers, "Sec-WebSocket-Protocol": SUBPROTOCOL}
                target = f"/api/kernels/{kernel['id']}/channels"
                self.clients.append(await RawWebSocket.connect(self._server.port, target, headers))

    def close(self) -> None:
        for client in self.clients:
            client.close()


@contextmanager
def pinned_server() -> Iterator[Server]:
    kernel = Path(os.environ["JUPYTER_DATA_DIR"]) / "kernels" / "played" / "kernel.json"
    kernel.parent.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, str(Path(__file__).with_name("played_kernel.py")), "{connection_file}"]
    kernel.write_text(json.dumps({"argv": argv, "display_name": "played", "language": "python"}), "utf-8")
    with ExitStack() as stack:
        with server_core():
            server = stack.enter_context(running_server(UNLIMITED))
        yield server


async def memory_per_kernel(*, linked: bool) -> float:
    with pinned_server() as server, closing(Notebooks(server, linked=linked)) as notebooks:
        await notebooks.add(WARM)
        await asyncio.sleep(SETTLE_S)
        before = memory_bytes(server.process.pid)
        await notebooks.add(IDLE)
        await asyncio.sleep(SETTLE_S)
        return (memory_bytes(server.process.pid) - before) / IDLE


async def core_s_per_message_relayed() -> float:
    with pinned_server() as server, closing(Notebooks(server, linked=True)) as notebooks:
        await notebooks.add(SESSIONS)
        await asyncio.sleep(SETTLE_S)

        async def send_all() -> None:
            session = Session(key=b"")
            for client in notebooks.clients:
                message = session.msg("execute_request", {"code": str(MESSAGES)})
                client.send(serialize_msg_to_ws_v1(message, "shell", session.pack))

        return await core_s_per_message(server.process.pid, notebooks.clients, send_all)


@contextmanager
def played() -> Iterator[Measure]:
    measures = {
        "memory": lambda: memory_per_kernel(linked=False),
        "memory with client": lambda: memory_per_kernel(linked=True),
        "relay": core_s_per_message_relayed,
    }
    yield lambda request: asyncio.run(measures[request]())


if __name__ == "__main__":
    serve(played())
