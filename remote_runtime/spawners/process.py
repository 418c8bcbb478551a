"""The process spawner: containers that are plain processes of this machine and this user."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ClassVar, ParamSpec, Self, TypeVar
from weakref import WeakValueDictionary

from ..api import BuildProgress, GatewayId, GpuTable, Image, LeaseId, Offer, default_table
from ..errors import FarcellError
from .containment import Labels
from .contract import Container, ContainerSpec, ContainerState, Spawner, SpawnerSetup
from .machine import Machine, ProcessSettings
from .nvml import Nvml
from .process_options import ProcessOptions

__all__ = ["ProcessSettings", "ProcessSpawner"]

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger(__name__)


class ProcessSpawner(Spawner):
    """Containers without walls (`Isolation.NONE`): for one's own machine, or among people who trust each other.

    A container is kept to the devices of its lease by ``CUDA_VISIBLE_DEVICES`` alone, and reads and writes all files of
    the gateway's user. What can outlive a stop is said at `CgroupContainment` and `MarkerContainment`.
    """

    name: ClassVar[str] = "process"

    def __init__(
        self, settings: ProcessSettings, table: GpuTable | None = None, nvml: Nvml | None = None
    ) -> None:
        """Raises `BadRequest` for settings that can't be met; `table` is for the names that they simulate."""
        self._machine = Machine(settings, table or default_table(), nvml or Nvml())
        self._executor = ThreadPoolExecutor(4, thread_name_prefix="farcell-process")
        self._locks: WeakValueDictionary[LeaseId, asyncio.Lock] = WeakValueDictionary()
        self._starting: set[LeaseId] = set()

    @classmethod
    def configured(cls, setup: SpawnerSetup) -> Self:
        return cls(ProcessOptions(config=setup.config).settings(setup), setup.table)

    async def offers(self, table: GpuTable) -> list[Offer]:
        return [*await self._in_thread(self._machine.offers, table, self.name)]

    async def build(self, image: Image, tell: Callable[[BuildProgress], None]) -> None:
        if image.is_built:
            await self._machine.images.build(image, tell)

    async def start(self, spec: ContainerSpec) -> None:
        async with self._lock(spec.lease_id):
            self._starting.add(spec.lease_id)
            try:
                await self._start(spec)
            finally:
                self._starting.discard(spec.lease_id)

    async def stop(self, lease_id: LeaseId) -> None:
        async with self._lock(lease_id):
            await self._end(lease_id)

    async def list(self, gateway_id: GatewayId) -> list[Container]:
        found = await self._in_thread(self._machine.containers, gateway_id)
        return [one for seen in found if (one := await self._look_again(seen))]

    async def close(self) -> None:
        self._executor.shutdown()
        self._machine.close()

    async def _start(self, spec: ContainerSpec) -> None:
        labels = Labels(spec.gateway_id, spec.session_id, spec.lease_id)
        state = await self._in_thread(self._machine.state, labels)
        if state is ContainerState.RUNNING:
            return
        if state is ContainerState.DEAD:
            await self._end(spec.lease_id)
        try:
            await self._in_thread(self._machine.start, spec, labels)
        except FarcellError:
            await self._end(spec.lease_id)
            raise

    async def _end(self, lease_id: LeaseId) -> None:
        """Kills until nothing is left: a process that waits for a disk or a driver goes when that answers."""
        pause_s = 0.001
        while await self._in_thread(self._machine.kill, lease_id):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.5)
        await self._in_thread(self._machine.forget, lease_id)

    async def _look_again(self, seen: Container) -> Container | None:
        """What seems dead may be about to start: wait for that, but not for a stop, which may take its time."""
        if seen.state is ContainerState.RUNNING:
            return seen
        if seen.lease_id in self._starting:
            async with self._lock(seen.lease_id):
                pass
        found = await self._in_thread(self._machine.containers, seen.gateway_id)
        return next((one for one in found if one.lease_id == seen.lease_id), None)

    def _lock(self, lease_id: LeaseId) -> asyncio.Lock:
        return self._locks.setdefault(lease_id, asyncio.Lock())

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs what blocks to its end, also when the caller is cancelled meanwhile: nothing is left half done."""
        job = asyncio.wrap_future(self._executor.submit(function, *args, **kwargs))
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            while not job.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([job])
            if error := job.exception():
                log.info("what was cancelled failed anyway: %s", error)
            raise
