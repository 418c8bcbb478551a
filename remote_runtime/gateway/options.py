"""How a gateway is set up; made by the command line, which has checked it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from ..loopback import is_loopback
from .egress import EgressSetup


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """`start_s`: from the start of a container to its kernel's readiness. `lease_s`: how far a heartbeat moves the end.

    `stop_s`: how long an agent may take to say goodbye.
    """

    start_s: float = 120.0
    lease_s: float = 1800.0
    stop_s: float = 10.0


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """`folder` holds the database, the socket, leases and caches. `port` 0 takes a free one. `journal_bytes` is what a
    session's output takes on disk before its oldest part is compacted; `log_bytes` is what is kept of one lease's log,
    `log_days` how long it is kept after its lease. `cache_bytes` is what one user's cache may take; below
    `min_free_bytes` on its disk, all caches are emptied.

    `stock_queue_s`: how long a stock Jupyter client's request waits for a container before it is withdrawn; such
    clients give a kernel up after 60 s.

    `embedded`: the daemon of one user, which ends by itself `embedded_end_s` after its last lease and client.
    """

    folder: Path
    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    host_names: frozenset[str] = frozenset()
    database_url: str | None = None
    embedded: bool = False
    embedded_end_s: float = 600.0
    stock_queue_s: float = 45.0
    journal_bytes: int = 1 << 30
    log_bytes: int = 16 << 20
    log_days: float = 30.0
    cache_bytes: int = 50 << 30
    min_free_bytes: int = 2 << 30
    ping_s: float = 10.0
    """How often a WebSocket is pinged: a broken one is found within twice that, and a few seconds."""
    times: LeaseTimes = field(default_factory=LeaseTimes)
    egress: EgressSetup = field(default_factory=EgressSetup)

    def allows_host(self, host: str) -> bool:
        """Whether a request may name the gateway so: as it listens, as its operator says, or by a loopback name."""
        return host in self.host_names or host == self.host or is_loopback(host)
