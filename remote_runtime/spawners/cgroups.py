"""Containers held together by a cgroup of their own (version 2), which processes are born into."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from ..api import LeaseId
from . import procfs
from .containment import Containment, Labels, Limits, Members, cgroup_labels

_DYING_S = 0.2


@dataclass(frozen=True, slots=True)
class Mount:
    """Where the version 2 hierarchy is to be seen: its cgroup `root` lies at the folder `point`."""

    point: Path
    root: PurePosixPath

    def folder(self, cgroup: PurePosixPath) -> Path | None:
        """The folder of a cgroup; None when it lies outside what is mounted here."""
        if ".." in cgroup.parts or not cgroup.is_relative_to(self.root):
            return None
        return self.point / cgroup.relative_to(self.root)


def find_mount(mountinfo: str) -> Mount | None:
    """The first mount of type cgroup2 in the text of ``/proc/self/mountinfo`` (``proc_pid_mountinfo(5)``)."""
    for line in mountinfo.splitlines():
        mount, _, filesystem = line.partition(" - ")
        if filesystem.split(" ", 1)[0] == "cgroup2":
            root, point = (_unescape(field) for field in mount.split(" ")[3:5])
            return Mount(Path(point), PurePosixPath(root))
    return None


def _unescape(field: str) -> str:
    """Blanks and backslashes are written in octal there."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


class CgroupContainment(Containment):
    """One cgroup per container below `base`; the kernel itself ends all of it at once.

    Nothing slips out of it. But a process that runs as the gateway's user may move itself to another cgroup of that
    user's on purpose; what then drops its marker too (`MarkerContainment`) escapes.
    """

    name: ClassVar[str] = "cgroup"

    def __init__(self, mount: Mount, base: Path, limits: Limits) -> None:
        self.base = base
        self._mount = mount
        self._limits = limits.files()
        for name in self._limits:
            with suppress(OSError):  # not there, or not given to us: `unheld_limits` tells
                (base / "cgroup.subtree_control").write_text(f"+{name.split('.')[0]}")

    @classmethod
    def here(cls, limits: Limits) -> CgroupContainment | None:
        """On this machine, for this user; None when there is no cgroup that may be divided."""
        mount = find_mount(Path("/proc/self/mountinfo").read_text())
        own = procfs.cgroup(os.getpid())
        folder = mount.folder(own) if mount and own else None
        if mount is None or folder is None:
            return None
        base = folder.parent if _is_delegated(folder.parent) else folder
        return cls(mount, base, limits) if _is_divisible(base) else None

    @property
    def unheld_limits(self) -> list[str]:
        """The limits that were asked for but can't be held here, as their files are called."""
        controllers = (self.base / "cgroup.subtree_control").read_text().split()
        return [name for name in self._limits if name.split(".")[0] not in controllers]

    def enclose(self, labels: Labels) -> Path:
        group = self.base / labels.name
        group.mkdir(exist_ok=True)
        for name, limit in self._limits.items():
            if (group / name).exists():
                (group / name).write_text(str(limit))
        return group

    def members(self) -> Members:
        """Also of cgroups elsewhere: the gateway that made them may have run in another cgroup than this one."""
        named = (Labels.from_name(path.name) for path in self.base.glob("farcell.*"))
        found: Members = {labels: set() for labels in named if labels}
        for pid in procfs.processes():
            if labels := cgroup_labels(pid):
                found.setdefault(labels, set()).add(pid)
        return found

    def kill(self, lease_id: LeaseId) -> bool:
        groups = set(self._groups(lease_id))
        for group in groups:
            _kill(group)
        removed = [_remove_soon(group) for group in groups]
        return not all(removed)

    def _groups(self, lease_id: LeaseId) -> Iterator[Path]:
        for labels, pids in self.members().items():
            if labels.lease_id != lease_id:
                continue
            yield self.base / labels.name
            for pid in pids:
                yield from self._enclosing(pid, labels)

    def _enclosing(self, pid: int, labels: Labels) -> Iterator[Path]:
        """The container's cgroup, whichever part of it the process is in."""
        path = procfs.cgroup(pid)
        for group in (path, *path.parents) if path else ():
            if group.name == labels.name and (folder := self._mount.folder(group)):
                yield folder


def _is_delegated(folder: Path) -> bool:
    """Whether systemd has handed that cgroup on (``Delegate=yes``; the gateway is in a ``DelegateSubgroup=`` of it)."""
    try:
        return os.getxattr(folder, "user.delegate") == b"1" and os.access(folder / "cgroup.procs", os.W_OK)
    except OSError:
        return False


def _is_divisible(base: Path) -> bool:
    """Whether cgroups can be made there and entered from here, and killed as a whole (Linux 5.14)."""
    probe = base / f"farcell-probe-{os.getpid()}"
    try:
        probe.mkdir()
        can_kill = (probe / "cgroup.kill").exists()
        probe.rmdir()
    except OSError:
        return False
    return can_kill and os.access(base / "cgroup.procs", os.W_OK)


def _kill(group: Path) -> None:
    try:
        (group / "cgroup.kill").write_text("1")
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):  # removed; removed between opening and writing
            raise


def _remove_soon(group: Path) -> bool:
    """Gives what was killed a moment to be gone: an empty cgroup is not found again by its processes."""
    deadline = time.monotonic() + _DYING_S
    while not (removed := _remove(group)) and time.monotonic() < deadline:
        time.sleep(0.001)
    return removed


def _remove(group: Path) -> bool:
    """Removes a cgroup with all below it; False while something still runs there."""
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            Path(folder).rmdir()
    except FileNotFoundError:
        return not group.exists()
    except OSError:
        return False
    return True
