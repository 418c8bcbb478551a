"""What can be had now, and the devices behind it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypedDict

from .gpus import GpuType
from .money import Nanos


class Isolation(Enum):
    """What stands between a container and the machine under it, as offers tell it."""

    NONE = "none"
    CONTAINER = "container"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU of a spawner. `foreign`: somebody outside Farcell computes on it now, so it counts as taken."""

    uuid: str
    gpu: str
    memory_bytes: int
    simulated: bool = False
    foreign: bool = False


class OfferFacts(TypedDict):
    """What a list of offers shows beside their fields."""

    label: str


@dataclass(frozen=True, slots=True)
class Offer:
    """One kind of device (or, with `gpu` None, plain CPU) at one spawner.

    An offer is known by its spawner, its name and whether it is simulated. `count_total` and `count_free`
    count what leases can hold; `devices` is empty where the spawner hands out devices itself.
    `price_nanos_per_s` is for one. `isolation` is what a container gets unasked, `isolations` all that can be asked
    for. `mounts` are the folders of the place that its operator puts into every container (``/data (read-only)``).
    """

    name: str
    gpu: str | None
    memory_bytes: int
    count_total: int
    count_free: int
    price_nanos_per_s: Nanos
    spawner: str
    isolation: Isolation
    simulated: bool = False
    devices: tuple[Device, ...] = ()
    isolations: tuple[Isolation, ...] = ()
    mounts: tuple[str, ...] = ()

    @property
    def gpu_type(self) -> GpuType | None:
        """As a row for a GPU table that lacks it."""
        return GpuType(self.gpu, (), self.memory_bytes, self.price_nanos_per_s) if self.gpu else None

    @property
    def isolations_told(self) -> str:
        """``container or sandbox``: what it has unasked comes first."""
        return " or ".join(dict.fromkeys(one.value for one in (self.isolation, *self.isolations)))

    @property
    def label(self) -> str:
        return device_label(self.name, 1, simulated=self.simulated)

    def facts(self) -> OfferFacts:
        return {"label": self.label}


def device_label(name: str, count: int, *, simulated: bool) -> str:
    """How a device is named wherever people see it: ``H100:2 (simulated)``."""
    counted = name if count <= 1 else f"{name}:{count}"
    return f"{counted} (simulated)" if simulated else counted
