"""Round trips of a kernel behind Jupyter Server's WebSocket; ``--quickack`` sets TCP_QUICKACK at the client."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_servers import Channels, running_server
from serving import Measure, serve


@contextmanager
def warm_kernel() -> Iterator[Measure]:
    with running_server() as server:
        kernel = server.ask("POST", "/api/kernels", {"name": "python3"})
        channels = Channels(server.channels(kernel["id"]), quickack="--quickack" in sys.argv)

        def measure(code: str) -> float:
            began = time.perf_counter()
            channels.run(code)
            return time.perf_counter() - began

        measure("pass")
        yield measure
        server.ask("DELETE", f"/api/kernels/{kernel['id']}")


if __name__ == "__main__":
    serve(warm_kernel())
