"""What one server process holds and relays: memory for each idle session, its core's time for each message.

``python tests/benchmarks/capacity.py [--quick] [--write docs/benchmarks.md]``
"""

from __future__ import annotations

import sys

from harness import Benchmark, Contender, Task, main

SERVER = "jupyter_server"

CAPACITY = Benchmark(
    name="capacity",
    title="What one server process holds and relays",
    tasks=(
        Task("memory of an idle session", "memory", "KB", aim="≤ 100 KB"),
        Task("memory of one with its client", "memory with client", "KB", aim="≤ 100 KB"),
        Task("core time of a message", "relay", "µs", aim="≤ 0.33"),
    ),
    contenders=(
        Contender(SERVER, "capacity_jupyter_server", peer=True),
        Contender("Farcell", "capacity_farcell", ("farcell.client.v1",), ours=True),
        Contender(
            "Farcell, stock clients", "capacity_farcell", ("v1.kernel.websocket.jupyter.org",), ours=True
        ),
    ),
    baseline=SERVER,
    rounds=5,
    quick_rounds=1,
    warm_up=0,
    answer_s=600.0,
    notes=(
        "Each figure is a fresh server's; it has a core for itself, and all that loads it has the other.",
        "Memory is what the server's resident size grows by for each of 500 sessions (of 20 kernels: jupyter_server).",
        "Core time: the server's CPU time by the messages that came, 5,000 lines from each of 8 sessions at once.",
        "At most 0.33 of its core time is at least 3 times its messages per second of one core.",
        "Farcell's agents are played, over real WebSockets; so are jupyter_server's kernels, over real ZMQ sockets.",
        "All that comes is counted, and its order looked at. jupyter_server's rate limit is off.",
    ),
)

if __name__ == "__main__":
    sys.exit(main(CAPACITY))
