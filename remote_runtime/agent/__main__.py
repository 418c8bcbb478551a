"""``python -m farcell.remote_runtime.agent LEASE_FOLDER``.

The kernel's process is started before anything heavy is imported: it comes up while the agent's own imports follow.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from .kernel_process import KernelProcess
from .lease_folder import LeaseFolder


def main() -> int:
    folder = LeaseFolder.read(Path(sys.argv[1]))
    output, written_by_kernel = os.pipe()
    if folder.kernel_uid is not None:  # who opens /dev/stderr anew is asked for its permissions
        with suppress(OSError):  # gVisor changes no pipe's owner
            os.fchown(written_by_kernel, -1, folder.kernel_uid)
            os.fchmod(written_by_kernel, 0o620)
    kernel = KernelProcess(folder, written_by_kernel)
    kernel.start()
    from .application import run

    return run(folder, kernel, output)


if __name__ == "__main__":
    sys.exit(main())
