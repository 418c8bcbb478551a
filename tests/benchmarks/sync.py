"""10,000 small files and 4 of 256 MiB, put for the first time, unchanged, and with a few changes.

``python tests/benchmarks/sync.py [--quick] [--write docs/benchmarks.md]``; needs rsync, borg and rclone.
"""

from __future__ import annotations

import sys

from harness import Benchmark, Contender, Task, main

RSYNC = "rsync -a"

SYNC = Benchmark(
    name="sync",
    title="A tree of 10,000 small files and 4 of 256 MiB, kept in step",
    tasks=(
        Task("first put", "first", aim="≤ 1.5"),
        Task("nothing changed", "unchanged", aim="≤ 1"),
        Task("1 % changed, a byte inserted at a head", "changed"),
        Task("stored by that", "grown", "KB"),
        Task("peak memory so far", "memory", "KB", aim="≤ 200,000 KB"),
    ),
    contenders=(
        Contender(RSYNC, "sync_command", ("rsync",)),
        Contender("Farcell", "sync_farcell", ours=True),
        Contender("cp -au", "sync_command", ("cp",)),
        Contender("borg, zstd,1", "sync_command", ("borg",)),
        Contender("rclone sync", "sync_command", ("rclone",)),
    ),
    baseline=RSYNC,
    rounds=5,
    quick_rounds=1,
    warm_up=1,
    answer_s=600.0,
    notes=(
        "All on one disk. Farcell and borg sync what they stored before they say that it is there; the others don't.",
        "Farcell's process is there already, as an agent is; the others are started each time.",
        "Stored: what the store's files grew by; rsync, cp and rclone keep one version, so that theirs hardly grow.",
    ),
)

if __name__ == "__main__":
    sys.exit(main(SYNC))
