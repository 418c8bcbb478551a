"""From a cell without a session to its first output, beside the start of a bare local ipykernel.

``python tests/benchmarks/coldstart.py [--quick] [--explain] [--write docs/benchmarks.md]``
"""

from __future__ import annotations

import sys

from harness import Benchmark, Contender, Task, main

BARE = "bare local ipykernel"
SIMULATED = {"FARCELL_SIMULATE": "H100:1"}

COLDSTART = Benchmark(
    name="coldstart",
    title="From a cell without a session to its first output",
    tasks=(Task("first print", "print('here', flush=True)", aim="≤ 1.3"),),
    contenders=(
        Contender(BARE, "cold_kernel"),
        Contender(f"{BARE}, wait_for_ready", "cold_kernel", ("--wait-for-ready",)),
        Contender("Farcell", "cold_farcell", ("running",), ours=True, environment=SIMULATED),
        Contender("Farcell, no gateway runs", "cold_farcell", ("down",), ours=True, environment=SIMULATED),
        Contender(
            "Farcell, for the first time", "cold_farcell", ("nothing",), ours=True, environment=SIMULATED
        ),
        Contender("jupyter_server, running", "cold_jupyter_server", peer=True),
        Contender("plain Python", "cold_python"),
    ),
    baseline=BARE,
    rounds=20,
    quick_rounds=3,
    warm_up=2,
    notes=(
        "All files are in the system's cache. Farcell's device is simulated; its container is a process.",
        "The bare ipykernel gets its cell at once, without waiting for the kernel's readiness first.",
        "Farcell's three rows: its gateway runs; it has to be started; it has to make its folder and database too.",
    ),
)

if __name__ == "__main__":
    sys.exit(main(COLDSTART))
