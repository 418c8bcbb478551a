"""Much output of a kernel behind Jupyter Server's WebSocket; with ``--unlimited`` the server drops none by its rate."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_servers import Channels, running_server
from numbered_output import NumberedOutput, text_of
from serving import Answer, Measure, serve

UNLIMITED = "--ZMQChannelsWebsocketConnection.limit_rate=False"


@contextmanager
def warm_kernel(*options: str) -> Iterator[Measure]:
    with running_server(*options) as server:
        kernel = server.ask("POST", "/api/kernels", {"name": "python3"})
        channels = Channels(server.channels(kernel["id"]), quickack=True)

        def measure(request: str) -> Answer:
            cell = NumberedOutput.parse(request)
            began = time.perf_counter()
            texts = [text_of(*output) for output in channels.outputs(cell.code)]
            took_s = time.perf_counter() - began
            return {"value": took_s, "lost": cell.lost([text for text in texts if text is not None])}

        channels.run("pass")
        yield measure
        server.ask("DELETE", f"/api/kernels/{kernel['id']}")


if __name__ == "__main__":
    serve(warm_kernel(*([UNLIMITED] if "--unlimited" in sys.argv else [])))
