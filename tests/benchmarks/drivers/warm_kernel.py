"""Round trips of a warm local ipykernel; with ``--setup CODE --magic LINE`` those of a magic inside of it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kernels import ANSWER_S, run, started_kernel
from serving import Measure, serve


@contextmanager
def warm_kernel(setup: str, magic: str, teardown: str) -> Iterator[Measure]:
    with started_kernel() as client:
        client.wait_for_ready(timeout=ANSWER_S)

        def measure(code: str) -> float:
            began = time.perf_counter()
            run(client, f"{magic}\n{code}" if magic else code)
            return time.perf_counter() - began

        run(client, setup)
        measure("pass")
        yield measure
        run(client, teardown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("--setup", "--magic", "--teardown"):
        parser.add_argument(name, default="")
    serve(warm_kernel(**vars(parser.parse_args())))
