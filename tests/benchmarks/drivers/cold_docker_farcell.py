"""From a cell without a session to its first output in a container of the Docker spawner; the gateway runs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from cold_docker_kernel import CODE
from cold_farcell import since
from docker_engine import DockerEngine
from farcell_cells import new_spec, wait_for
from lease_trace import steps_of
from served_machine import ServedMachine
from serving import Measure, serve

from farcell.remote_runtime.client.blocking import Client
from farcell.remote_runtime.client.cell import Began, CellSource, Ended, Output, new_header


def start_and_run() -> dict[str, Any]:
    began, began_at = time.perf_counter(), time.time()
    with closing(Client()) as client:
        cell = client.run_cell(CellSource(CODE, new_header()), new_spec())
        wait_for(cell, Began)
        begun_at = time.time()
        wait_for(cell, Output)
        took_s = time.perf_counter() - began
        wait_for(cell, Ended)
        assert cell.session is not None
        own = [("client: the cell runs", begun_at), ("client: first output", began_at + took_s)]
        steps = since(began_at, began_at + took_s, [*own, *steps_of(client, cell.session.id)])
        client.stop(cell.session.id)
    return {"value": took_s, "trace": steps}


@contextmanager
def gateways() -> Iterator[Measure]:
    """One for each runtime, started when it is first asked for."""
    engine = DockerEngine(Path(os.environ["FARCELL_BENCHMARK_ENGINE"]), 0)
    machines: dict[str, ServedMachine] = {}
    with ExitStack() as stack:

        def measure(runtime: str) -> dict[str, Any]:
            if runtime not in machines:
                config = engine.config(runtimes={"container": runtime})
                machines[runtime] = stack.enter_context(ServedMachine(config, "H100:1"))
            os.environ["FARCELL_DATA_DIR"] = str(machines[runtime].folder)
            return start_and_run()

        yield measure


if __name__ == "__main__":
    serve(gateways())
