"""``python -m farcell.remote_runtime.agent.contained LEASE_FOLDER``: the agent as a container's first process.

What fails before it may write to the lease's folder is in the engine's own log of the container.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .__main__ import main as run_agent
from .privileges import become_owner

KERNEL_UID = 10001
"""As the spawner's images have it; the numbers of its user and of its group are the same."""


def main() -> int:
    folder = Path(sys.argv[1])
    become_owner(folder, KERNEL_UID)
    log = os.open(folder / "container.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    return run_agent()


if __name__ == "__main__":
    sys.exit(main())
