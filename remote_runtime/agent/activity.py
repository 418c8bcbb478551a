"""What the kernel's processes and the lease's GPUs do: the adapter to psutil and NVML."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ..spawners.nvml import Nvml
from ..wire.control import DeviceFact, GpuUse


@dataclass(frozen=True, slots=True)
class Activity:
    """A sample; `cpu` is in cores since the sample before, `memory_bytes` what the processes hold resident now."""

    cpu: float
    memory_bytes: int
    gpus: tuple[GpuUse, ...]

    @property
    def gpu_utilisation(self) -> float:
        return max((gpu.utilisation for gpu in self.gpus), default=0.0)

    @property
    def gpu_memory_bytes(self) -> int:
        return sum(gpu.memory_used_bytes for gpu in self.gpus)


class ActivityMeter:
    """Reads the kernel with all its descendants; simulated devices always read 0."""

    def __init__(self, devices: Sequence[DeviceFact], nvml: Nvml | None) -> None:
        self._devices = devices
        self._nvml = nvml
        self._cpu_s = 0.0
        self._read_at = time.monotonic()

    def sample(self, kernel_pid: int) -> Activity:
        """Blocks for about a millisecond; processes that end meanwhile count as far as they are still known."""
        cpu_s, memory_bytes = _processes_use(kernel_pid)
        now = time.monotonic()
        burned = max(0.0, cpu_s - self._cpu_s) / max(now - self._read_at, 1e-3)
        self._cpu_s, self._read_at = cpu_s, now
        return Activity(burned, memory_bytes, tuple(self._gpu_use(device) for device in self._devices))

    def _gpu_use(self, device: DeviceFact) -> GpuUse:
        if device.simulated or self._nvml is None:
            return GpuUse(device.uuid, 0.0, 0)
        usage = self._nvml.usage(device.uuid)
        return GpuUse(
            device.uuid, (usage.utilisation or 0.0) if usage else 0.0, usage.memory_used_bytes if usage else 0
        )


def _processes_use(pid: int) -> tuple[float, int]:
    """CPU seconds, those of ended children included, and resident bytes of a process and its descendants."""
    cpu_s, memory_bytes = 0.0, 0
    for one in _tree(pid):
        try:
            process = psutil.Process(one)
            with process.oneshot():
                cpu_s += sum(process.cpu_times()[:4])
                memory_bytes += process.memory_info().rss
        except psutil.Error:
            continue
    return cpu_s, memory_bytes


def _tree(pid: int) -> Iterator[int]:
    """A process and its descendants. Linux lists children by thread; where it is built without, all is searched."""
    if Path(f"/proc/{pid}/task/{pid}/children").exists():
        yield from _listed_tree(pid)
        return
    with suppress(psutil.Error):
        yield from (pid, *(child.pid for child in psutil.Process(pid).children(recursive=True)))


def _listed_tree(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread ended meanwhile
            for child in children.read_text("ascii").split():
                yield from _listed_tree(int(child))
