"""Round trips of one ipyparallel engine, through ``DirectView.execute``: back when result and output are there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import ipyparallel
from serving import Measure, serve


@contextmanager
def warm_engine() -> Iterator[Measure]:
    cluster = ipyparallel.Cluster(n=1)
    view = cluster.start_and_connect_sync()[:]

    def measure(code: str) -> float:
        began = time.perf_counter()
        result = view.execute(code, silent=False, block=False)
        result.get(timeout=60)
        result.wait_for_output(timeout=60)
        return time.perf_counter() - began

    measure("pass")
    yield measure
    cluster.stop_cluster_sync()


if __name__ == "__main__":
    serve(warm_engine())
