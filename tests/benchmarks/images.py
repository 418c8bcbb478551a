"""From a cell that names packages to its first output: an image that is found, and one that is built.

``python tests/benchmarks/images.py [--quick] [--write docs/benchmarks.md]``
"""

from __future__ import annotations

import sys

from harness import Benchmark, Contender, Task, main

WITHOUT = "Farcell, without an image"
SIMULATED = {"FARCELL_SIMULATE": "H100:1"}

IMAGES = Benchmark(
    name="images",
    title="From a cell with an image to its first output",
    tasks=(Task("first print", "print('here', flush=True)", aim="found ≤ 1.1, built ≤ 3"),),
    contenders=(
        Contender(WITHOUT, "cold_images", ("none",), environment=SIMULATED),
        Contender("Farcell, its image found", "cold_images", ("found",), ours=True, environment=SIMULATED),
        Contender("Farcell, --pip of a package", "cold_images", ("built",), ours=True, environment=SIMULATED),
    ),
    baseline=WITHOUT,
    rounds=20,
    quick_rounds=3,
    warm_up=2,
    notes=(
        "All files are in the system's cache, uv's too. The gateway runs; its device is simulated.",
        "The package is pure and small. What is built is a definition that nobody has had before.",
    ),
)

if __name__ == "__main__":
    sys.exit(main(IMAGES))
