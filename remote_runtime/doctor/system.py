"""The operating system: what is read of it, and what that means."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import resource
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..spawners.cgroups import CgroupContainment
from ..spawners.containment import Limits
from .line import Line, lacks, missing, ok

OLDEST_PYTHON = (3, 11)
OLDEST_KERNEL = (5, 14)
MIN_OPEN_FILES = 8192
CONTROLLERS = ("cpu", "memory", "pids")
_TIME_ERROR = 5
_TIMEX_BYTES = 256
"""At least as long as the kernel's ``struct timex`` (``adjtimex(2)``)."""


@dataclass(frozen=True, slots=True)
class System:
    """`controllers` are those of the version 2 hierarchy, None where there is none; `delegated`: cgroups can be made.

    `open_files` is the hard limit; `clock_synchronised` is None where the system does not say.
    """

    python: tuple[int, int]
    os: str
    kernel: str
    controllers: tuple[str, ...] | None
    delegated: bool
    open_files: int
    clock_synchronised: bool | None
    user_namespaces: bool
    uv: bool


def read_system(root: Path = Path("/")) -> System:
    """Of this machine; `root` stands in for its root folder."""
    return System(
        python=sys.version_info[:2],
        os=sys.platform,
        kernel=platform.release(),
        controllers=_controllers(root / "sys/fs/cgroup"),
        delegated=sys.platform == "linux" and CgroupContainment.here(Limits(None)) is not None,
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        clock_synchronised=_is_synchronised(),
        user_namespaces=_has_user_namespaces(root / "proc/sys"),
        uv=shutil.which("uv") is not None or find_spec("uv") is not None,
    )


def _controllers(cgroups: Path) -> tuple[str, ...] | None:
    try:
        return tuple((cgroups / "cgroup.controllers").read_text().split())
    except OSError:
        return None


def _has_user_namespaces(sysctl: Path) -> bool:
    """Whether an ordinary user may make one; Debian has a switch of its own."""
    most = _number(sysctl / "user/max_user_namespaces", 0)
    return most > 0 and _number(sysctl / "kernel/unprivileged_userns_clone", 1) == 1


def _number(path: Path, default: int) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return default


def _is_synchronised() -> bool | None:
    try:
        state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def system_lines(system: System) -> Iterator[Line]:
    yield python_line(system.python)
    yield kernel_line(system.os, system.kernel)
    yield cgroup_line(system.controllers)
    yield delegation_line(delegated=system.delegated)
    yield open_files_line(system.open_files)
    yield clock_line(synchronised=system.clock_synchronised)
    yield user_namespaces_line(there=system.user_namespaces)
    yield uv_line(there=system.uv)


def python_line(version: tuple[int, int]) -> Line:
    found = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        return missing(
            "Python", found, "install Python 3.11 or newer, and Farcell into an environment of that"
        )
    return ok("Python", found)


def kernel_line(system: str, release: str) -> Line:
    if system != "linux":
        return missing("kernel", system, "a gateway needs Linux; from here, log in to one: farcell login URL")
    numbers = re.match(r"(\d+)\.(\d+)", release)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST_KERNEL:
        fix = "Linux 5.14 or newer ends a container's processes all at once"
        return lacks("kernel", f"Linux {release}", fix)
    return ok("kernel", f"Linux {release}")


def cgroup_line(controllers: tuple[str, ...] | None) -> Line:
    if controllers is None:
        fix = (
            "boot with systemd.unified_cgroup_hierarchy=1: only version 2 holds the process spawner's limits"
        )
        return lacks("cgroups", "version 1, or both mixed", fix)
    lost = [name for name in CONTROLLERS if name not in controllers]
    if lost:
        fix = f"the kernel must have {', '.join(lost)} on (cgroup_enable=memory on its command line, say)"
        return lacks("cgroups", f"version 2 without {', '.join(lost)}", fix)
    return ok("cgroups", f"version 2 with {', '.join(CONTROLLERS)}")


def delegation_line(*, delegated: bool) -> Line:
    if delegated:
        return ok("cgroup delegation", "the process spawner may make cgroups here")
    fix = (
        "Delegate=yes and DelegateSubgroup=gateway in the gateway's unit (only the process spawner needs it)"
    )
    return lacks(
        "cgroup delegation", "the process spawner may make no cgroup: a marker holds its containers", fix
    )


def open_files_line(limit: int) -> Line:
    found = "unlimited" if limit == resource.RLIM_INFINITY else str(limit)
    if limit != resource.RLIM_INFINITY and limit < MIN_OPEN_FILES:
        fix = "LimitNOFILE=65536 in the gateway's unit: each client, agent and log takes one"
        return lacks("open files", found, fix)
    return ok("open files", found)


def clock_line(*, synchronised: bool | None) -> Line:
    if synchronised:
        return ok("clock", "synchronised")
    found = "not synchronised" if synchronised is False else "nobody knows whether it is right"
    return lacks("clock", found, "run systemd-timesyncd or chrony: tokens' and charges' times come from it")


def user_namespaces_line(*, there: bool) -> Line:
    if there:
        return ok("user namespaces", "ordinary users may make them: rootless engines work")
    fix = "sysctl user.max_user_namespaces=28633 (only rootless engines need it)"
    return lacks("user namespaces", "ordinary users may make none", fix)


def uv_line(*, there: bool) -> Line:
    if there:
        return ok("uv", "found")
    return lacks("uv", "not found", "pip install uv: the process spawner builds images with it")


def is_root() -> bool:
    return os.geteuid() == 0
