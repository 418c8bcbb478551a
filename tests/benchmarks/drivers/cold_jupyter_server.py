"""From ``POST /api/kernels`` at a running Jupyter Server to the first output over its WebSocket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_servers import Channels, Server, running_server
from serving import Measure, serve


def start_and_run(server: Server, code: str) -> float:
    began = time.perf_counter()
    kernel = server.ask("POST", "/api/kernels", {"name": "python3"})
    connection = server.channels(kernel["id"])
    Channels(connection, quickack=True).wait_for_output(code)
    took_s = time.perf_counter() - began
    connection.close()
    server.ask("DELETE", f"/api/kernels/{kernel['id']}")
    return took_s


@contextmanager
def cold_kernel() -> Iterator[Measure]:
    with running_server() as server:
        yield lambda code: start_and_run(server, code)


if __name__ == "__main__":
    serve(cold_kernel())
