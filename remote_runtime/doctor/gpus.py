"""GPUs: the driver, and the way that containers get them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..spawners.nvml import Availability, Nvml
from .line import Line, lacks, missing, ok

_CDI_FOLDERS = ("etc/cdi", "var/run/cdi")


@dataclass(frozen=True, slots=True)
class Gpus:
    """`devices` are products' names; `specs` the CDI files that name NVIDIA devices; `toolkit`: nvidia-ctk is there."""

    availability: Availability
    driver: str
    devices: tuple[str, ...]
    specs: tuple[str, ...]
    toolkit: bool


def read_gpus(nvml: Nvml, root: Path = Path("/")) -> Gpus:
    availability = nvml.availability()
    works = availability is Availability.AVAILABLE
    return Gpus(
        availability=availability,
        driver=(nvml.driver_version() or "") if works else "",
        devices=tuple(device.product for device in nvml.devices()) if works else (),
        specs=_specs(root),
        toolkit=shutil.which("nvidia-ctk") is not None,
    )


def _specs(root: Path) -> tuple[str, ...]:
    files = (path for folder in _CDI_FOLDERS for path in sorted((root / folder).glob("*.*")))
    return tuple(str(path) for path in files if path.suffix in (".yaml", ".json") and _names_nvidia(path))


def _names_nvidia(path: Path) -> bool:
    try:
        return "nvidia.com/gpu" in path.read_text("utf-8", "replace")
    except OSError:
        return False


def gpu_lines(gpus: Gpus, *, containers: bool, runtimes: frozenset[str] = frozenset()) -> Iterator[Line]:
    """`containers`: whether an engine starts them; `runtimes` are that engine's."""
    yield driver_line(gpus)
    if containers and gpus.devices:
        yield toolkit_line(gpus, runtimes)


def driver_line(gpus: Gpus) -> Line:
    if gpus.availability is Availability.AVAILABLE:
        return ok("GPU driver", f"NVIDIA {gpus.driver}: {', '.join(gpus.devices)}")
    fixes = {
        Availability.NO_LIBRARY: "install NVIDIA's driver; without GPUs, the gateway offers its cores (cpu)",
        Availability.NO_DRIVER: "modprobe nvidia; if that fails, reinstall the driver for the running kernel",
        Availability.NO_DEVICE: "look at nvidia-smi and lspci: is the card seated and powered?",
        Availability.NO_PERMISSION: "let the gateway's user open /dev/nvidia*, by its group (video, render)",
        Availability.MISMATCH: "restart the machine",
        Availability.FAILED: "look at nvidia-smi and dmesg",
    }
    none = gpus.availability in (Availability.NO_LIBRARY, Availability.NO_DEVICE)
    say = lacks if none else missing
    return say("GPU driver", gpus.availability.value, fixes[gpus.availability])


def toolkit_line(gpus: Gpus, runtimes: frozenset[str]) -> Line:
    if gpus.specs:
        return ok("GPUs in containers", f"by CDI: {', '.join(gpus.specs)}")
    if "nvidia" in runtimes:
        return ok("GPUs in containers", "by the engine's runtime nvidia")
    if gpus.toolkit:
        fix = "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
        return missing(
            "GPUs in containers", "NVIDIA's toolkit is there, but no CDI file names the devices", fix
        )
    fix = "install nvidia-container-toolkit, then: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
    return missing("GPUs in containers", "no CDI file, no runtime nvidia", fix)
