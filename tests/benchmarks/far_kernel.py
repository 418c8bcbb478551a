"""The Farcell kernel as its front end sees it, beside a bare local ipykernel: start, cells, much output, memory.

``python tests/benchmarks/far_kernel.py [--quick] [--explain] [--write docs/benchmarks.md]``
"""

from __future__ import annotations

import sys

from harness import Benchmark, Contender, Task, main

BARE = "bare local ipykernel"
SIMULATED = {"FARCELL_SIMULATE": "H100:2"}

CONTENDERS = (
    Contender(BARE, "whole_kernel", ("ipykernel",)),
    Contender("Farcell kernel", "whole_kernel", ("farcell",), ours=True, environment=SIMULATED),
)

FAR_ROUNDTRIP = Benchmark(
    name="far_roundtrip",
    title="Round trip of a cell in the Farcell kernel",
    tasks=(
        Task("pass", "run pass", aim="≤ 1.5"),
        Task("print", "run print('here')", aim="≤ 1.5"),
    ),
    contenders=CONTENDERS,
    baseline=BARE,
    rounds=300,
    quick_rounds=20,
    warm_up=5,
    notes=(
        "From front end to local kernel, gateway, agent and far kernel, and back: until reply and idle are there.",
        "Farcell's device is simulated; its container is a process.",
    ),
)

FAR_KERNEL = Benchmark(
    name="far_kernel",
    title="The Farcell kernel: its start, much output, its memory",
    tasks=(
        Task("ready", "ready", aim="≤ 1.15"),
        Task("100,000 lines", "lines 100000", aim="≤ 1.43"),
        Task("memory before the first cell", "memory before", "KB", aim="≤ 20 MB more"),
        Task("memory with its far kernel", "memory after", "KB", aim="≤ 20 MB more"),
    ),
    contenders=CONTENDERS,
    baseline=BARE,
    rounds=20,
    quick_rounds=3,
    warm_up=2,
    notes=(
        "The same front end for both, over TCP: a cell is over when its reply and its idle are there.",
        "Ready: from the process's start until jupyter_client's wait_for_ready returns; no session is started by it.",
        "All lines are counted, and their order looked at. A rate of at least 0.7 is a time of at most 1.43.",
        "Memory: the resident size of the kernel's process on the user's machine, before and after its first cell.",
        "Farcell's device is simulated; its container is a process.",
    ),
)

if __name__ == "__main__":
    sys.exit(max(main(FAR_ROUNDTRIP), main(FAR_KERNEL)))
