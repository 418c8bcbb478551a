"""What a Docker spawner offers: the machine's GPUs, simulated ones, and cores, behind the engine's walls."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any

from ...api import GpuTable, Isolation, Offer
from ...errors import FarcellError
from ..nvml import Nvml
from ..offers import cpu_offer, device_offers
from ..simulated import simulated_devices
from .container import GATEWAY_LABEL
from .devices import choose_gpus, container_of, real_devices
from .engine import Engine
from .options import DockerSettings
from .states import folder_of

log = logging.getLogger(__name__)
INFO_KEPT_S = 60.0
"""The engine counts all its containers to answer; what is asked for here rarely changes."""


class DockerOffers:
    """Of one engine."""

    def __init__(self, engine: Engine, settings: DockerSettings, table: GpuTable, nvml: Nvml) -> None:
        self._engine = engine
        self._settings = settings
        self._simulated = simulated_devices(settings.simulate, table)
        self._nvml = nvml
        self._info: dict[str, Any] = {}
        self._asked_at = float("-inf")

    async def read(self, table: GpuTable, spawner: str) -> list[Offer]:
        """Nothing where the engine does not answer."""
        try:
            info = await self.info()
            ours = await self._our_containers()
        except FarcellError as error:
            log.warning("%s", error)
            return []
        isolations = self.isolations(info)
        if not isolations:
            log.warning(
                "the engine at %s has none of the runtimes %s", self._engine.url, self._settings.runtimes
            )
            return []
        visible = self._settings.visible_devices
        real = await asyncio.to_thread(real_devices, self._nvml, visible, table, ours, container_of)
        found = device_offers([*real, *self._simulated], table, spawner)
        mounts = tuple(map(str, self._settings.mounts))
        return [
            replace(offer, isolation=isolations[0], isolations=isolations, mounts=mounts)
            for offer in (*found, cpu_offer(int(info["NCPU"]), table, spawner))
        ]

    def isolations(self, info: dict[str, Any]) -> tuple[Isolation, ...]:
        """Those that a runtime of the engine gives, what is had unasked first."""
        known = {"", *(info.get("Runtimes") or ())}
        return tuple(one for one in Isolation if self._settings.runtimes.get(one) in known)

    async def gpus(self) -> str:
        return choose_gpus(self._settings.gpus, await self.info())

    async def info(self) -> dict[str, Any]:
        if time.monotonic() - self._asked_at > INFO_KEPT_S:
            self._info = await self._engine.info()
            self._asked_at = time.monotonic()
        return self._info

    async def _our_containers(self) -> frozenset[str]:
        """By their folders: another gateway's containers are somebody else's."""
        found = await self._engine.containers(GATEWAY_LABEL)
        folder = self._settings.folder.absolute()
        return frozenset(
            str(one["Id"])
            for one in found
            if (lease := folder_of(one.get("Mounts") or ())) and lease.is_relative_to(folder)
        )

    def close(self) -> None:
        self._nvml.close()
