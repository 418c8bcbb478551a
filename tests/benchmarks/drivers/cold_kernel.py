"""From no process to the first output of a local ipykernel; ``--wait-for-ready`` as most programs do it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kernels import ANSWER_S, started_kernel, wait_for_output
from serving import Measure, serve


def start_and_run(code: str) -> float:
    began = time.perf_counter()
    with started_kernel() as client:
        if "--wait-for-ready" in sys.argv:
            client.wait_for_ready(timeout=ANSWER_S)
        return wait_for_output(client, code) - began


@contextmanager
def cold_kernel() -> Iterator[Measure]:
    yield start_and_run


if __name__ == "__main__":
    serve(cold_kernel())
