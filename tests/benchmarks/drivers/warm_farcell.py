"""Round trips of a warm far session, through the client that ``%%gpu`` uses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from farcell_cells import end_gateway, new_spec, run
from serving import Measure, serve

from farcell.remote_runtime.client.blocking import Client


@contextmanager
def warm_session() -> Iterator[Measure]:
    client, spec = Client(), new_spec()

    def measure(code: str) -> float:
        began = time.perf_counter()
        run(client, spec, code)
        return time.perf_counter() - began

    measure("pass")
    yield measure
    client.close()
    end_gateway()


if __name__ == "__main__":
    serve(warm_session())
