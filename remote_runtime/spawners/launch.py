"""Starting an agent: one shell enters the enclosure and then becomes the agent, so that nothing runs outside of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from ..api import LeaseId
from ..errors import StartFailed
from .containment import AGENT, is_agent

# 0 is the writer itself (cgroups(7)); the shell is `$$` before and after it has become the agent
_SHELL = f"""
ulimit -c 0
cd "$1" || exit
[ -z "$2" ] || echo 0 > "$2/cgroup.procs" || exit
shift 2
export {AGENT}=$$
exec "$@"
"""
_SETTLES_S = 10.0
_LOOKS_EVERY_S = 0.0005
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ)
"""What a daemon, ``nohup`` or Python itself ignores: a child would then ignore it too."""


@dataclass(frozen=True, slots=True)
class Launch:
    """`cgroup` is where the agent must be before it is one; None where there is none to enter."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    cgroup: Path | None = None


class Children:
    """The agents that this very process started, which it has to reap; those of an earlier gateway are init's."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: dict[int, LeaseId] = {}
        self._exit_codes: dict[LeaseId, int | None] = {}

    def launch(self, lease_id: LeaseId, launch: Launch) -> int:
        """The agent's pid, once it runs, in a session of its own. Raises `StartFailed` with what the shell said.

        `os.posix_spawn` rather than `subprocess`: the agent is to outlive this process, which a Popen complains about,
        and is to find its signals as after a login (an interrupted kernel must hear SIGINT).
        """
        said_before = launch.log.stat().st_size
        pid = _spawn(launch)
        self._running[pid] = lease_id
        deadline = time.monotonic() + _SETTLES_S
        while not is_agent(pid):
            self.reap()
            if pid not in self._running or time.monotonic() > deadline:
                raise StartFailed(_complaint(launch, said_before))
            time.sleep(_LOOKS_EVERY_S)
        return pid

    def reap(self) -> None:
        """Takes the exit codes of those that have ended; None where somebody else took it first (``waitpid(-1)``)."""
        with self._lock:
            for pid in tuple(self._running):
                has_ended, exit_code = _wait(pid)
                if has_ended:
                    self._exit_codes[self._running.pop(pid)] = exit_code

    def exit_code(self, lease_id: LeaseId) -> int | None:
        return self._exit_codes.get(lease_id)

    def forget(self, lease_id: LeaseId) -> None:
        self._exit_codes.pop(lease_id, None)


def _spawn(launch: Launch) -> int:
    log_flags = os.O_WRONLY | os.O_APPEND
    return os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", _SHELL, "farcell", str(launch.folder), str(launch.cgroup or ""), *launch.command],
        launch.environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(launch.log), log_flags, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            *((os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in _inheritable()),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=_SIGNALS,
    )


def _inheritable() -> Iterator[int]:
    """What this process got from its own parent, or a library opened carelessly; Python itself lets nothing through."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names suffice
        with suppress(OSError):  # closed meanwhile, as the listing's own
            if int(name) > 2 and os.get_inheritable(int(name)):
                yield int(name)


def _wait(pid: int) -> tuple[bool, int | None]:
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return True, None
    return bool(ended), os.waitstatus_to_exitcode(status) if ended else None


def _complaint(launch: Launch, said_before: int) -> str:
    said = launch.log.read_bytes()[said_before:].decode(errors="replace").strip()
    return f"the agent did not start: {said[-2000:] or 'it said nothing'}"
