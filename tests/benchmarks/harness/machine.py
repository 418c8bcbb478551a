"""What a result has to name: the machine's size, the versions, the day. Nothing that says whose machine it is."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

_OURS = ("farcell", "ipykernel", "ipython", "jupyter_client", "pyzmq", "tornado")
_PEERS = ("ipykernel", "ipyparallel", "jupyter_server")
_ASK = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"


def machine_facts() -> str:
    cores = len(os.sched_getaffinity(0))
    memory_gib = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[0]
    return (
        f"{cores} cores, {memory_gib:.0f} GiB, {platform.system()}, Python {platform.python_version()}; "
        f"load before: {load:.1f}"
    )


def versions(peers: Path) -> str:
    """Of what Farcell runs with, and of the peers in their environment."""
    answer = subprocess.run([peers, "-c", _ASK, *_PEERS], check=True, capture_output=True, text=True)
    ours = ", ".join(f"{name} {version(name)}" for name in _OURS)
    theirs = ", ".join(f"{name} {found}" for name, found in zip(_PEERS, answer.stdout.split(), strict=True))
    return f"{ours}; peers: {theirs}"


def today() -> str:
    return datetime.now(UTC).date().isoformat()
