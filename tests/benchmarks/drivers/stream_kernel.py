"""Much output of a warm local ipykernel, read by jupyter_client as it comes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from kernels import ANSWER_S, outputs, run, started_kernel
from numbered_output import NumberedOutput, text_of
from serving import Answer, Measure, serve


@contextmanager
def warm_kernel() -> Iterator[Measure]:
    with started_kernel() as client:
        client.wait_for_ready(timeout=ANSWER_S)

        def measure(request: str) -> Answer:
            cell = NumberedOutput.parse(request)
            began = time.perf_counter()
            texts = [text_of(*output) for output in outputs(client, cell.code)]
            took_s = time.perf_counter() - began
            return {"value": took_s, "lost": cell.lost([text for text in texts if text is not None])}

        run(client, "pass")
        yield measure


if __name__ == "__main__":
    serve(warm_kernel())
