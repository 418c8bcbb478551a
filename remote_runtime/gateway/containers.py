"""The containers behind the leases, as their spawners tell; a spawner's trouble is logged and never ends a lease."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from ..api import GatewayId, Lease
from ..spawners.contract import Container, ContainerSpec, ContainerState, Spawner
from .places import Places

_log = logging.getLogger(__name__)

STOP_AGAIN_S = 0.25
LIST_AGAIN_S = 1.0


class Containers:
    """Of one gateway, at all of its spawners."""

    def __init__(self, gateway_id: GatewayId, places: Places) -> None:
        self.gateway_id = gateway_id
        self._places = places

    async def start(self, lease: Lease, container: ContainerSpec) -> None:
        """Raises what the spawner raises."""
        await self._spawner(lease).start(container)

    async def stop(self, lease: Lease) -> None:
        """Again and again while the spawner fails: no container outlives its lease."""
        delay_s = STOP_AGAIN_S
        while True:
            try:
                await self._spawner(lease).stop(lease.id)
            except Exception:  # noqa: BLE001 (a spawner's trouble is the operator's to see)
                _log.exception("lease %s: its container can't be stopped; again in %g s", lease.id, delay_s)
            else:
                return
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, 30.0)

    async def is_started(self, lease: Lease) -> bool:
        """Whether it runs, as soon as its spawner can say."""
        while True:
            found = await self.list(self._spawner(lease))
            if found is not None:
                return _runs(found, lease)
            await asyncio.sleep(LIST_AGAIN_S)

    async def runs(self, lease: Lease) -> bool:
        """Also while its spawner can't say: a lease does not end because somebody else has trouble."""
        found = await self.list(self._spawner(lease))
        return found is None or _runs(found, lease)

    async def list(self, spawner: Spawner) -> list[Container] | None:
        """None where the spawner can't say."""
        try:
            return await spawner.list(self.gateway_id)
        except Exception:  # noqa: BLE001 (a spawner's trouble is the operator's to see)
            _log.exception("the spawner %s can't list its containers", spawner.name)
            return None

    def _spawner(self, lease: Lease) -> Spawner:
        return self._places.spawners[lease.spawner]


def _runs(found: Iterable[Container], lease: Lease) -> bool:
    return any(
        container.lease_id == lease.id and container.state is ContainerState.RUNNING for container in found
    )
