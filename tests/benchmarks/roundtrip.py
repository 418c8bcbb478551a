"""The round trip of a cell in a warm session, beside a bare local ipykernel and what else runs cells elsewhere.

``python tests/benchmarks/roundtrip.py [--quick] [--explain] [--write docs/benchmarks.md]``
"""

from __future__ import annotations

import sys

from harness import Benchmark, Contender, Task, main

BARE = "bare local ipykernel"
SIMULATED = {"FARCELL_SIMULATE": "H100:1"}
GPU_MAGIC = ("--setup", "%load_ext farcell", "--magic", "%%gpu -q H100", "--teardown", "!farcell down")
START_ENGINE = "import ipyparallel; engines = ipyparallel.Cluster(n=1).start_and_connect_sync(activate=True)"
PX_MAGIC = ("--setup", START_ENGINE, "--magic", "%%px", "--teardown", "engines.cluster.stop_cluster_sync()")

ROUNDTRIP = Benchmark(
    name="roundtrip",
    title="Round trip of a cell in a warm session",
    tasks=(Task("pass", "pass", aim="≤ 1.3"), Task("print", "print('here')", aim="≤ 1.3")),
    contenders=(
        Contender(BARE, "warm_kernel"),
        Contender("Farcell's client", "warm_farcell", ours=True, environment=SIMULATED),
        Contender("%%gpu in an ipykernel", "warm_kernel", GPU_MAGIC, environment=SIMULATED),
        Contender("ipyparallel's DirectView", "warm_ipyparallel", peer=True),
        Contender("%%px in an ipykernel", "warm_kernel", PX_MAGIC, peer=True),
        Contender("jupyter_server's WebSocket", "warm_jupyter_server", peer=True),
        Contender("the same with TCP quickack", "warm_jupyter_server", ("--quickack",), peer=True),
    ),
    baseline=BARE,
    rounds=300,
    quick_rounds=20,
    warm_up=5,
    notes=(
        "From the request until reply and idle are there. Farcell's device is simulated; its container is a process.",
        "%%gpu and %%px in an ipykernel take two round trips, one inside of the other: local kernel, then far kernel.",
    ),
)

if __name__ == "__main__":
    sys.exit(main(ROUNDTRIP))
