"""The proxies of all leases that have a way out."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from ...api import LeaseId, Network, Reach
from ..background import Background
from .addresses import Address
from .dialer import Dialer
from .egress_log import EgressLog
from .lease_proxy import LeaseProxy, bind
from .policy import EgressRules
from .resolver import Resolve, SystemResolver, own_addresses
from .upstream import Upstream

_log = logging.getLogger(__name__)

SOCKET = Path("egress") / "proxy.sock"
"""In the lease's folder; alone in a folder of its own, which is what a container is given."""
LOG = "egress.log"
FILES_OF_A_CONNECTION = 2
BUILDS = LeaseId("builds")
"""All builds of images are as one lease."""


@dataclass(frozen=True, slots=True)
class EgressSetup:
    """What an operator sets; `resolve` and `own` are the machine's."""

    rules: EgressRules = field(default_factory=EgressRules)
    upstream: Upstream | None = None
    resolve: Resolve | None = None
    own: Callable[[], Collection[Address]] = own_addresses


def socket_of(folder: Path) -> Path:
    """The proxy's, in a lease's folder."""
    return folder / SOCKET


class EgressDesk:
    """Opens a proxy when a lease's container is about to start, and closes it once that has ended."""

    def __init__(self, setup: EgressSetup, background: Background) -> None:
        self._resolver = SystemResolver()
        self._dialer = Dialer(setup.rules, setup.resolve or self._resolver, setup.own, setup.upstream)
        self._background = background
        self._proxies: dict[LeaseId, LeaseProxy] = {}

    def open(self, lease_id: LeaseId, folder: Path, network: Network) -> Path | None:
        """The socket of a lease's proxy, which listens from now on; None where the network is ``none``.

        A lease's second call changes nothing. Raises `OSError`.
        """
        if network.reach is Reach.NONE:
            return None
        path = socket_of(folder)
        if lease_id not in self._proxies:
            listening = bind(path)
            log = EgressLog(lease_id, folder / LOG)
            proxy = self._proxies[lease_id] = LeaseProxy(lease_id, network, self._dialer, log, self._has_room)
            self._background.spawn(proxy.serve(listening), f"the proxy of lease {lease_id}")
            _log.info("lease %s: the way out is open to %s", lease_id, network)
        return path

    async def close_lease(self, lease_id: LeaseId) -> None:
        """Breaks its connections; silent where it has no proxy."""
        if proxy := self._proxies.pop(lease_id, None):
            await proxy.end()

    def close(self) -> None:
        """Once nothing is resolved any more."""
        self._resolver.close()

    def _has_room(self) -> bool:
        """Half of the files that this process may open are for other things than containers' connections."""
        open_ones = sum(proxy.connections for proxy in self._proxies.values())
        return open_ones * FILES_OF_A_CONNECTION * 2 < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
