"""``python -m farcell.remote_runtime.gateway --ready-fd N``: the embedded gateway, as a daemon.

It forks before it imports anything and lets its parent go, so that it belongs to init: signals to the process group
of the kernel that started it, or to that kernel's descendants, do not reach it. It writes one line to the file
descriptor when it serves.
"""

from __future__ import annotations

import os
import sys


def main() -> int:
    ready_fd = int(sys.argv[sys.argv.index("--ready-fd") + 1])
    if os.fork():
        os._exit(0)
    os.setsid()
    from .embedded import serve_embedded

    return serve_embedded(ready_fd)


if __name__ == "__main__":
    sys.exit(main())
