"""From no process to the first output of a plain interpreter: what no kernel can be faster than."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from serving import Measure, serve


def start_and_run(code: str) -> float:
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return time.perf_counter() - began


@contextmanager
def cold_python() -> Iterator[Measure]:
    yield start_and_run


if __name__ == "__main__":
    serve(cold_python())
