"""Much output of one ipyparallel engine, through ``DirectView.execute``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import ipyparallel
from numbered_output import NumberedOutput
from serving import Answer, Measure, serve


@contextmanager
def warm_engine() -> Iterator[Measure]:
    cluster = ipyparallel.Cluster(n=1)
    view = cluster.start_and_connect_sync()[:]

    def measure(request: str) -> Answer:
        cell = NumberedOutput.parse(request)
        began = time.perf_counter()
        result = view.execute(cell.code, silent=False, block=False)
        result.get(timeout=60)
        result.wait_for_output(timeout=60)
        took_s = time.perf_counter() - began
        shown = [output["data"].get("text/plain", "") for output in result.outputs[0]]
        return {"value": took_s, "lost": cell.lost([result.stdout[0], *shown])}

    view.execute("pass", silent=False, block=True)
    yield measure
    cluster.stop_cluster_sync()


if __name__ == "__main__":
    serve(warm_engine())
