"""The GPUs of the engine's machine, as a Docker spawner offers them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...api import Device, GpuTable
from ..nvml import Nvml, visible_devices
from ..offers import gpu_name

_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")


def real_devices(
    nvml: Nvml, visible: str | None, table: GpuTable, ours: frozenset[str], container_of: Callable[[int], str]
) -> Sequence[Device]:
    """Whoever computes in none of the containers `ours` (by the engine's ids) makes a device foreign."""
    return [
        Device(
            found.uuid,
            gpu_name(found.product, table),
            found.memory_bytes,
            foreign=any(container_of(pid) not in ours for pid in nvml.compute_pids(found.uuid)),
        )
        for found in visible_devices(nvml.devices(), visible)
    ]


def container_of(pid: int) -> str:
    """The engine's id of the container that a process is in, by its cgroups; empty where it is in none, or gone."""
    try:
        text = Path(f"/proc/{pid}/cgroup").read_text("utf-8")
    except OSError:
        return ""
    return container_in(text)


def container_in(cgroups: str) -> str:
    """From the text of ``/proc/<pid>/cgroup``: ``…/docker/<id>``, ``…/docker-<id>.scope``, ``…/libpod-<id>.scope``."""
    found = _CONTAINER_ID.search(cgroups)
    return found[0] if found else ""


def choose_gpus(option: str, info: Mapping[str, Any]) -> str:
    """``auto``: by CDI where the engine has found such devices, or has no NVIDIA runtime."""
    if option != "auto":
        return option
    discovered = [str(one.get("ID", "")) for one in info.get("DiscoveredDevices") or ()]
    if any(name.startswith("nvidia.com/gpu=") for name in discovered):
        return "cdi"
    return "nvidia" if "nvidia" in info.get("Runtimes", {}) or not info.get("CDISpecDirs") else "cdi"
