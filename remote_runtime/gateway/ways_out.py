"""Which leases have a way out, and where: what a session's walls say, at the proxies of `egress`."""

from __future__ import annotations

from pathlib import Path

from ..api import Lease, LeaseId, Network, Reach
from ..errors import StartFailed
from .egress import BUILDS, EgressDesk, socket_of
from .lease_folders import LeaseFolders
from .live_session import LiveSession
from .places import Places


class WaysOut:
    """Of one gateway's leases, and of the builds of their images."""

    def __init__(self, desk: EgressDesk, folders: LeaseFolders, places: Places) -> None:
        self._desk = desk
        self._folders = folders
        self._places = places

    def open(self, live: LiveSession, lease: Lease) -> None:
        """The proxy of a lease whose network has one. Raises `StartFailed` where it can't listen."""
        network = self._places.network(lease, live.session.walls)
        if network is not None:
            try:
                self._desk.open(lease.id, self._folders.lease(lease.id), network)
            except OSError as error:
                raise StartFailed(
                    f"the proxy to {network} can't listen: {error.strerror or error}"
                ) from error

    def open_for_builds(self) -> None:
        """Where spawners make walls, their builds reach what the operator's rules let through."""
        if any(spawner.networks for spawner in self._places.spawners.values()):
            self._desk.open(BUILDS, self._folders.builds, Network(Reach.EGRESS))

    def socket(self, live: LiveSession, lease: Lease) -> Path | None:
        """Where the lease's proxy listens; None where nothing but the gateway may be reached."""
        network = self._places.network(lease, live.session.walls)
        if network is None or network.reach is Reach.NONE:
            return None
        return socket_of(self._folders.lease(lease.id))

    async def close(self, lease_id: LeaseId) -> None:
        await self._desk.close_lease(lease_id)

    def close_desk(self) -> None:
        """Once nothing is resolved any more."""
        self._desk.close()
