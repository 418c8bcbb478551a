"""NVIDIA's management library (NVML), through nvidia-ml-py: which devices there are, and how busy they are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)


class Availability(Enum):
    """Whether NVML can be used, and why not, as a person is told."""

    AVAILABLE = "NVIDIA devices are available"
    NO_LIBRARY = "there is no NVIDIA driver on this machine (libnvidia-ml.so.1 was not found)"
    NO_DRIVER = "the NVIDIA driver is installed, but its kernel module is not loaded"
    NO_DEVICE = "the NVIDIA driver works, but finds no device"
    NO_PERMISSION = "this user may not use the NVIDIA driver"
    MISMATCH = (
        "NVIDIA's library and kernel module differ in version: the machine must be restarted after an update"
    )
    FAILED = "the NVIDIA driver does not answer properly"


@dataclass(frozen=True, slots=True)
class NvmlDevice:
    """A card, or one MIG slice of a card that is divided. `uuid` is what CUDA_VISIBLE_DEVICES takes."""

    uuid: str
    product: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class GpuUsage:
    """`utilisation` is from 0 to 1 over the driver's last sample (up to a second), None where NVML has none (MIG)."""

    utilisation: float | None
    memory_used_bytes: int
    memory_bytes: int


class Nvml:
    """The library, opened at first use and again after a failure. Threads may share it; no method raises.

    `library` stands in for the module ``pynvml``, which is imported late: most machines have no use for it.
    """

    def __init__(self, library: Any = None) -> None:
        self._library = library
        self._lock = Lock()
        self._is_open = False

    def availability(self) -> Availability:
        state = self._open()
        if state is Availability.AVAILABLE and not self._count():
            return Availability.NO_DEVICE
        return state

    def devices(self) -> list[NvmlDevice]:
        """In the driver's order (by PCI bus). A card in MIG mode comes as its slices: CUDA can't use it whole."""
        found = [
            self._ask(f"device {index}", partial(_devices, index=index)) for index in range(self._count())
        ]
        return [device for devices in found for device in devices or ()]

    def usage(self, uuid: str) -> GpuUsage | None:
        """None when the device does not answer."""
        return self._ask(uuid, lambda nvml: _usage(nvml, nvml.nvmlDeviceGetHandleByUUID(uuid)))

    def compute_pids(self, uuid: str) -> set[int]:
        """Processes that hold a CUDA context on the device, as far as this process's PID namespace shows them."""

        def read(nvml: Any) -> set[int]:
            handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
            return {process.pid for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle)}

        return self._ask(uuid, read) or set()

    def driver_version(self) -> str | None:
        return self._ask("driver", lambda nvml: str(nvml.nvmlSystemGetDriverVersion()))

    def close(self) -> None:
        """May be called twice; the next question opens it again."""
        with self._lock:
            self._shut()

    def _count(self) -> int:
        return self._ask("their number", lambda nvml: int(nvml.nvmlDeviceGetCount())) or 0

    def _open(self) -> Availability:
        with self._lock:
            if self._is_open:
                return Availability.AVAILABLE
            if self._library is None:
                import pynvml

                self._library = pynvml
            try:
                self._library.nvmlInit()
            except self._library.NVMLError as error:
                return _why(self._library, error)
            self._is_open = True
            return Availability.AVAILABLE

    def _ask(self, what: str, question: Callable[[Any], T]) -> T | None:
        if self._open() is not Availability.AVAILABLE:
            return None
        try:
            return question(self._library)
        except self._library.NVMLError as error:
            log.warning("NVML does not answer for %s: %s", what, error)
            if _why(self._library, error) is not Availability.FAILED:
                self.close()
            return None

    def _shut(self) -> None:
        if self._is_open:
            self._is_open = False
            try:
                self._library.nvmlShutdown()
            except self._library.NVMLError as error:
                log.debug("NVML does not close: %s", error)


def visible_devices(devices: Sequence[NvmlDevice], visible: str | None) -> list[NvmlDevice]:
    """The devices that a value of ``CUDA_VISIBLE_DEVICES`` leaves, as CUDA reads it: all when it is not set.

    It lists positions (in the driver's order) or UUIDs, which may be cut short, and ends at the first that fits none.
    """
    if visible is None:
        return list(devices)
    found: list[NvmlDevice] = []
    for entry in map(str.strip, visible.split(",")):
        fits = [
            one
            for at, one in enumerate(devices)
            if str(at) == entry or (entry and one.uuid.startswith(entry))
        ]
        if len(fits) != 1:
            break
        found += fits
    return found


def _why(nvml: Any, error: Exception) -> Availability:
    reasons = {
        nvml.NVML_ERROR_LIBRARY_NOT_FOUND: Availability.NO_LIBRARY,
        nvml.NVML_ERROR_DRIVER_NOT_LOADED: Availability.NO_DRIVER,
        nvml.NVML_ERROR_NO_PERMISSION: Availability.NO_PERMISSION,
        nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: Availability.MISMATCH,
    }
    return reasons.get(getattr(error, "value", None), Availability.FAILED)


def _devices(nvml: Any, index: int) -> list[NvmlDevice]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    slices = _slices(nvml, handle)
    return [_device(nvml, one) for one in ([handle] if slices is None else slices)]


def _device(nvml: Any, handle: Any) -> NvmlDevice:
    memory_bytes = int(nvml.nvmlDeviceGetMemoryInfo(handle).total)
    return NvmlDevice(nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle), memory_bytes)


def _slices(nvml: Any, handle: Any) -> list[Any] | None:
    """The MIG slices of a card; None when it is whole."""
    try:
        current, _pending = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:  # not a card that can be divided
        return None
    if current != nvml.NVML_DEVICE_MIG_ENABLE:
        return None
    return [
        one for i in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)) if (one := _slice(nvml, handle, i))
    ]


def _slice(nvml: Any, handle: Any, index: int) -> Any:
    try:
        return nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
    except nvml.NVMLError:  # the numbers have gaps
        return None


def _usage(nvml: Any, handle: Any) -> GpuUsage:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    try:
        utilisation = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    except nvml.NVMLError:
        utilisation = None
    return GpuUsage(utilisation, int(memory.used), int(memory.total))
