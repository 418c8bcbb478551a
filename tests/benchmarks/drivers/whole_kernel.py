"""A kernel as a front end starts and uses it: ``ipykernel``, or ``farcell`` for the Farcell kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from kernels import ANSWER_S, outputs, run, started_kernel
from numbered_output import NumberedOutput, text_of
from serving import Answer, Measure, serve

FARCELL_KERNEL = ("-m", "farcell.kernel", "-f", "{connection_file}", "--gpu", "H100")


class Kernels:
    """One kernel that is warm, and new ones for what is measured of a start."""

    def __init__(self, arguments: tuple[str, ...] | None, warm: BlockingKernelClient) -> None:
        self._arguments = arguments
        self._warm = warm

    def measure(self, request: str) -> float | Answer:
        what, _, more = request.partition(" ")
        match what:
            case "ready":
                return self._ready()
            case "run":
                return self._run(more)
            case "lines":
                return self._lines(int(more))
            case "memory":
                return self._memory(after=more == "after")
        raise ValueError(request)

    def _ready(self) -> float:
        began = time.perf_counter()
        with started_kernel(arguments=self._arguments) as client:
            client.wait_for_ready(timeout=ANSWER_S)
            return time.perf_counter() - began

    def _run(self, code: str) -> float:
        began = time.perf_counter()
        run(self._warm, code)
        return time.perf_counter() - began

    def _lines(self, count: int) -> Answer:
        cell = NumberedOutput(f"for number in range({count}):\n    print(number)", count)
        began = time.perf_counter()
        texts = [text_of(*output) for output in outputs(self._warm, cell.code)]
        took_s = time.perf_counter() - began
        return {"value": took_s, "lost": cell.lost([text for text in texts if text is not None])}

    def _memory(self, *, after: bool) -> float:
        with started_kernel(arguments=self._arguments) as client:
            client.wait_for_ready(timeout=ANSWER_S)
            if after:
                run(client, "pass")
            return float(_process_of(client).memory_info().rss)


def _process_of(client: BlockingKernelClient) -> psutil.Process:
    (found,) = [
        child
        for child in psutil.Process(os.getpid()).children()
        if client.connection_file in " ".join(child.cmdline())
    ]
    return found


@contextmanager
def whole_kernel(kind: str) -> Iterator[Measure]:
    arguments = FARCELL_KERNEL if kind == "farcell" else None
    with started_kernel(arguments=arguments) as client:
        client.wait_for_ready(timeout=ANSWER_S)
        run(client, "pass")
        yield Kernels(arguments, client).measure
    if arguments:
        subprocess.run([sys.executable, "-m", "farcell.remote_runtime.cli", "down"], check=False)


if __name__ == "__main__":
    serve(whole_kernel(sys.argv[1]))
