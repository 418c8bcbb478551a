"""Processes as ``/proc`` shows them."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

_GONE = (FileNotFoundError, ProcessLookupError)
_UNREADABLE = (*_GONE, PermissionError)


@dataclass(frozen=True, slots=True)
class Process:
    """One running process; `started` (clock ticks since boot) tells it from a later one with the same number."""

    pid: int
    started: int
    parent: int = field(compare=False)
    session: int = field(compare=False)


def processes() -> dict[int, Process]:
    """Everything that runs, by pid. A zombie doesn't, unless threads of it live on after its first one."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208 - hot, and names suffice
    found = (process(pid) for pid in pids)
    return {one.pid: one for one in found if one is not None}


def process(pid: int) -> Process | None:
    """That process, or None when it doesn't run. The fields are those of ``proc_pid_stat(5)``, from the third on."""
    try:
        stat = _read(pid, "stat")
    except _GONE:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()  # a program's name may hold blanks and brackets
    state, threads = fields[0], int(fields[17])
    if state in b"ZXx" and threads <= 1:
        return None
    return Process(pid, started=int(fields[19]), parent=int(fields[1]), session=int(fields[3]))


def environment(pid: int) -> dict[str, str]:
    """What `pid` was started with (it may have overwritten it since); empty when it is gone or another user's."""
    try:
        block = os.fsdecode(_read(pid, "environ"))
    except _UNREADABLE:
        return {}
    return dict(entry.split("=", 1) for entry in block.split("\0") if "=" in entry)


def cgroup(pid: int) -> PurePosixPath | None:
    """The path of its cgroup in the version 2 hierarchy, or None when it is gone or there is no such hierarchy."""
    try:
        lines = os.fsdecode(_read(pid, "cgroup")).splitlines()
    except _UNREADABLE:
        return None
    return next((PurePosixPath(line[3:]) for line in lines if line.startswith("0::")), None)


def send_signal(target: Process, signum: signal.Signals) -> bool:
    """Signals that very process, never one that got its number since; False when this user may not."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(target.pid)
        try:
            if process(target.pid) == target:
                signal.pidfd_send_signal(descriptor, signum)
        except PermissionError:
            return False
        finally:
            os.close(descriptor)
    return True


def _read(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()
