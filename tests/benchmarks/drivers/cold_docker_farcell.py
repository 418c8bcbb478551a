"""From a cell without a session to its first output in a container of the Docker spawner; the gateway runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from cold_docker_kernel import CODE
from cold_farcell import start_and_run
from docker_engine import DockerEngine
from served_machine import ServedMachine
from serving import Measure, serve


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
            return start_and_run(CODE)

        yield measure


if __name__ == "__main__":
    serve(gateways())
