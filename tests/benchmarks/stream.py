"""A cell with much output, from its request until all of it is there: many lines, many messages, large displays.

``python tests/benchmarks/stream.py [--quick] [--explain] [--write docs/benchmarks.md]``
"""

from __future__ import annotations

import json
import sys

from harness import Benchmark, Contender, Task, main

UNLIMITED = "jupyter_server's WebSocket, unlimited"
SIMULATED = {"FARCELL_SIMULATE": "H100:1"}
AIM = "≤ 1.1"


def numbers(count: int, show: str) -> str:
    """A request for a cell that shows so many numbers (`drivers/numbered_output.py`)."""
    return json.dumps({"code": f"for number in range({count}):\n    {show}", "count": count})


DISPLAY = "get_ipython().display_pub.publish({'text/plain': f'{number:<10240}'})"

STREAM = Benchmark(
    name="stream",
    title="A cell with much output, until all of it is there",
    tasks=(
        Task("100,000 lines", numbers(100_000, "print(number)"), aim=AIM),
        Task("10,000 lines, each flushed", numbers(10_000, "print(number, flush=True)"), aim=AIM),
        Task("2,000 displays of 10 KB", numbers(2_000, DISPLAY), aim=AIM),
    ),
    contenders=(
        Contender(UNLIMITED, "stream_jupyter_server", ("--unlimited",), peer=True),
        Contender("Farcell's client", "stream_farcell", ours=True, environment=SIMULATED),
        Contender("jupyter_server's WebSocket, as it comes", "stream_jupyter_server", peer=True),
        Contender("bare local ipykernel", "stream_kernel"),
        Contender("ipyparallel's DirectView", "stream_ipyparallel", peer=True),
    ),
    baseline=UNLIMITED,
    rounds=20,
    quick_rounds=2,
    warm_up=1,
    notes=(
        "All that comes is counted, and its order looked at. A row that lost something did less than the others.",
        "ZMQ drops what its reader has not taken beyond 1,000 messages: under load every stock kernel may lose output.",
        "Unlimited: limit_rate off, TCP quickack on. ipykernel joins lines that are not flushed, five times a second.",
        "Farcell's device is simulated; its container is a process. Its journal is written before anything is sent on.",
    ),
)

if __name__ == "__main__":
    sys.exit(main(STREAM))
