"""The gateway's spawners together: their offers, freshly read, and the scheduler over them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from ..api import GpuTable, Isolation, Lease, Network, Offer, Walls
from ..scheduler import Scheduler
from ..spawners.contract import Spawner

_log = logging.getLogger(__name__)

FRESH_S = 2.0
"""How long a spawner's offers are believed."""


class Places:
    """Reads offers when they are older than `FRESH_S`. A spawner that fails offers nothing until it works again."""

    def __init__(self, spawners: Mapping[str, Spawner], table: GpuTable) -> None:
        self.spawners = spawners
        self._table = table
        self.scheduler = Scheduler(table)
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    @property
    def table(self) -> GpuTable:
        """With the types that are offered, also where the shipped table lacks them."""
        return self.scheduler.table

    async def refresh(self, *, force: bool = False) -> None:
        async with self._reading:
            if force or time.monotonic() - self._read_at > FRESH_S:
                offers = await asyncio.gather(*(self._offers(spawner) for spawner in self.spawners.values()))
                self.scheduler.update([offer for some in offers for offer in some])
                self._read_at = time.monotonic()

    async def offers(self) -> list[Offer]:
        """What can be had now: free counts without what leases hold."""
        await self.refresh()
        return self.scheduler.free_offers()

    def network(self, lease: Lease, walls: Walls) -> Network | None:
        """What a lease's container reaches within those walls; None: what its machine does."""
        isolation = self.walls(lease, walls).isolation or Isolation.CONTAINER
        return walls.network or self.spawners[lease.spawner].networks.get(isolation)

    def walls(self, lease: Lease, asked: Walls) -> Walls:
        """Those that a lease's container has, with what was not asked for, as far as it is known."""
        offer = self.scheduler.offer(lease)
        isolation = asked.isolation or (offer.isolation if offer else None)
        default = self.spawners[lease.spawner].networks.get(isolation) if isolation else None
        return Walls(isolation, asked.network or default)

    async def _offers(self, spawner: Spawner) -> list[Offer]:
        try:
            return await spawner.offers(self._table)
        except Exception:  # noqa: BLE001 (an operator's own spawner may raise anything)
            _log.exception("the spawner %s can't say its offers", spawner.name)
            return []

    async def close(self) -> None:
        for spawner in self.spawners.values():
            await spawner.close()
