"""Stands in for the agent in the spawners' contract suite: does what the file ``behaviour`` in its lease's folder says.

It writes the pids of all that it made, itself first, to ``work/pids``, and what it sees to ``work/seen.json``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

FOREVER_S = 600
SLEEP = [sys.executable, "-c", f"import time; time.sleep({FOREVER_S})"]


def with_child() -> list[int]:
    return [subprocess.Popen(SLEEP).pid]


def with_daemon() -> list[int]:
    """A grandchild in a session of its own, whose parent is gone: the classic double fork."""
    return daemonise("dict(os.environ)")


def daemonise(environment: str) -> list[int]:
    arguments = f"sys.argv[1:], env={environment}, start_new_session=True, stdout=2"
    script = f"import os, subprocess, sys; print(subprocess.Popen({arguments}).pid)"
    made = subprocess.run([sys.executable, "-c", script, *SLEEP], stdout=subprocess.PIPE, check=True)
    return [int(made.stdout)]


def with_bare_child() -> list[int]:
    """A child that has cleared its environment and left the session."""
    return [subprocess.Popen(SLEEP, env={}, start_new_session=True).pid]


def with_bare_daemon() -> list[int]:
    """The same, orphaned as well: only a cgroup knows whose it is."""
    return daemonise("{}")


def with_fork_storm() -> list[int]:
    """Something new all the time, each of it in a session of its own: no list of it is ever complete."""
    script = (
        "import os, time\n"
        f"end = time.monotonic() + {FOREVER_S}\n"
        "while time.monotonic() < end:\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        time.sleep(0.2)\n"
        "        os._exit(0)\n"
        "    time.sleep(0.002)\n"
    )
    return [subprocess.Popen([sys.executable, "-c", script]).pid]


def with_forking_chain() -> list[int]:
    """One process after the other, each the orphan of the last, faster than anybody can list them."""
    script = (
        "import os, time\n"
        f"end = time.monotonic() + {FOREVER_S}\n"
        "while time.monotonic() < end:\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.setsid()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    return []


BEHAVIOURS = {
    "idle": list,
    "child": with_child,
    "daemon": with_daemon,
    "bare child": with_bare_child,
    "bare daemon": with_bare_daemon,
    "fork storm": with_fork_storm,
    "forking chain": with_forking_chain,
    "exit": list,
}


def main() -> int:
    folder = Path(sys.argv[1])
    behaviour = (folder / "behaviour").read_text()
    seen = {
        "argv": sys.argv,
        "cwd": str(Path.cwd()),
        "environment": dict(os.environ),
        "interrupt": str(signal.getsignal(signal.SIGINT)),
        "settings": json.loads((folder / "agent.json").read_text()),
        "token": (folder / "token").read_text(),
    }
    (folder / "work" / "seen.json").write_text(json.dumps(seen))
    pids = [os.getpid(), *BEHAVIOURS[behaviour]()]
    (folder / "work" / "pids.new").write_text(json.dumps(pids))
    (folder / "work" / "pids.new").rename(folder / "work" / "pids")
    if behaviour == "exit":
        return 3
    time.sleep(FOREVER_S)
    return 0


sys.exit(main())
