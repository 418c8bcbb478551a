"""From no process to the first output of a local ipykernel; ``--wait-for-ready`` as most programs do it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kernels import ANSWER_S, started_kernel, wait_for_output
from serving import Measure, serve

EAGER_RECONNECT_MS = 5
"""ZMQ's own 100 would be measured instead of the kernel."""


def start_and_run(code: str) -> float:
    began = time.perf_counter()
    with started_kernel(EAGER_RECONNECT_MS) as client:
        return wait_for_output(client, code) - began


def start_wait_and_run(code: str) -> float:
    began = time.perf_counter()
    with started_kernel() as client:
        client.wait_for_ready(timeout=ANSWER_S)
        return wait_for_output(client, code) - began


@contextmanager
def cold_kernel() -> Iterator[Measure]:
    yield start_wait_and_run if "--wait-for-ready" in sys.argv else start_and_run


if __name__ == "__main__":
    serve(cold_kernel())
