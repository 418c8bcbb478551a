"""From a cell without a session to its first output in a cold container, beside `docker run` with a bare ipykernel.

``python tests/benchmarks/containers.py [--quick] [--explain] [--write docs/benchmarks.md]``, as root: it starts
the tests' own Docker engine.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from docker_engine import running_engine
from harness import Benchmark, Contender, Task, main

BARE = "docker run, bare ipykernel"
ENGINE = "FARCELL_BENCHMARK_ENGINE"
"""Names the folder of the engine that the drivers use."""

CONTAINERS = Benchmark(
    name="containers",
    title="From a cell without a session to its first output, in a cold container",
    tasks=(
        Task("first print, runc", "runc", aim="≤ 1.4"),
        Task("first print, crun", "crun", aim="≤ 1.4"),
        Task("first print, runsc (ptrace)", "runsc"),
    ),
    contenders=(
        Contender(BARE, "cold_docker_kernel"),
        Contender("Farcell, Docker spawner", "cold_docker_farcell", ours=True),
    ),
    baseline=BARE,
    rounds=20,
    quick_rounds=3,
    warm_up=1,
    notes=(
        "All files are in the system's cache, and the image is there. Farcell's gateway runs; its device is simulated.",
        "Both containers have the same image, flags, limits and mounts, and are asked for by the Engine API.",
        "The bare kernel gets its cell at once, over ipc in a mounted folder.",
    ),
)


def run() -> int:
    with running_engine() as engine:
        os.environ[ENGINE] = str(engine.folder)
        return main(CONTAINERS)


if __name__ == "__main__":
    sys.exit(run())
