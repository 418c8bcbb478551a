"""The gateway put together: database, places, leases, sessions, agents, and the servers in front of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from socket import socket
from typing import TYPE_CHECKING

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets, bind_unix_socket

from .. import config
from ..api import EndReason, GatewayId, GpuTable
from ..api.identifiers import new_gateway_id
from ..api.json_form import encode
from ..errors import Conflict
from ..spawners.contract import Spawner
from . import records, users
from .agents import AgentDesk
from .background import Background
from .cache_keeper import GUARD_EVERY_S, LOOK_EVERY_S, CacheKeeper
from .database import Database
from .events import EventBus
from .handlers.base import MAX_DROPPED_BYTES
from .handlers.sockets import GOING_AWAY, SocketHandler
from .images import ImageDesk
from .leases import LeaseKeeper
from .live_session import LiveSession
from .options import GatewayOptions
from .places import Places
from .recovery import Recovery
from .routes import AGENT_ROUTES, ROUTES, make_application
from .sessions import SessionDesk
from .users import User

if TYPE_CHECKING:
    from .metrics import Metrics

_log = logging.getLogger(__name__)

RECONCILE_EVERY_S = 60.0
TICK_S = 1.0
OLD_LOGS_EVERY_S = 3600.0
GOODBYE_S = 2.0
MAX_HEAD_BYTES = 1 << 20
"""Beyond this a connection is closed without a word; what is beyond `base.MAX_HEADER_BYTES` is refused in words."""


class Gateway:
    """One running gateway. `async with open_gateway(...)` makes it; `stop` makes `wait` return."""

    def __init__(
        self,
        options: GatewayOptions,
        gateway_id: GatewayId,
        database: Database,
        places: Places,
        background: Background,
    ) -> None:
        self.options = options
        self.id = gateway_id
        self.database = database
        self.places = places
        self.events = EventBus()
        self.keeper = LeaseKeeper(gateway_id, options, database, places, background, self._changed)
        self.images = ImageDesk(options.folder, places, self.keeper, self._changed)
        self.desk = SessionDesk(database, places, self.keeper, self.images, self.events, background)
        self.agents = AgentDesk(database, self.keeper)
        self.caches = CacheKeeper(
            self.keeper.folders.caches,
            self.keeper,
            cache_bytes=options.cache_bytes,
            min_free_bytes=options.min_free_bytes,
        )
        self._background = background
        self._stopping = asyncio.Event()
        self.sockets: set[SocketHandler] = set()
        self._last_use = time.monotonic()
        self.started_at = time.time()
        self.port = 0

    @cached_property
    def metrics(self) -> Metrics:
        """Imported when it is asked for: most embedded gateways never are."""
        from .metrics import Metrics

        return Metrics(self)

    @cached_property
    def description(self) -> bytes:
        """The API in OpenAPI's form; made when it is asked for, as few gateways are."""
        from .openapi import describe

        return encode(describe())

    async def user_of_token(self, token: str) -> User | None:
        self._last_use = time.monotonic()
        return await self.database.read(lambda connection: users.user_of_token(connection, token))

    async def end_all_leases(self) -> int:
        """Ends every lease and empties the queue; returns how many there were."""
        live = list(self.keeper.live.values())
        ends = (self.keeper.end(session, EndReason.STOPPED, "everything was ended") for session in live)
        for failure in filter(None, await asyncio.gather(*ends, return_exceptions=True)):
            _log.error("a lease did not end", exc_info=failure)
        return len(live)

    def stop(self) -> None:
        self._stopping.set()

    async def wait(self) -> None:
        await self._stopping.wait()

    def _changed(self, live: LiveSession) -> None:
        self.desk.changed(live)
        if live.state.is_over and live.lease is not None:
            self._background.spawn(self.caches.tidy(live.owner), f"tidying the cache of {live.owner}")

    # --- regular work ---

    async def tick(self) -> None:
        """Every second: acknowledgements, the queue, an embedded gateway's own end."""
        for live in self.keeper.live.values():
            live.link.acknowledge()
        if self.keeper.live or self.events.listeners:
            self._last_use = time.monotonic()
        if self.keeper.live:
            await self.places.refresh()
            self.desk.place()
            self.desk.withdrawn.withdraw_overdue(time.monotonic())
        elif self.options.embedded and time.monotonic() - self._last_use > self.options.embedded_end_s:
            _log.info("nobody needs this gateway any more")
            self.stop()

    async def close_sockets(self) -> None:
        """Tells whoever has a WebSocket that the gateway goes away, and gives them a moment to say goodbye."""
        open_ones = list(self.sockets)
        for handler in open_ones:
            handler.close(GOING_AWAY, "the gateway goes away")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await asyncio.gather(*(handler.closed.wait() for handler in open_ones))


@asynccontextmanager
async def open_gateway(
    options: GatewayOptions, spawners: Mapping[str, Spawner], table: GpuTable
) -> AsyncIterator[Gateway]:
    """A gateway that listens; on leaving, its servers close and its leases run on.

    Raises `Conflict` when it can't listen as `options` say, before it touches anything.
    """
    async with AsyncExitStack() as stack:
        tcp = _bind(options)
        for bound in tcp:
            stack.callback(bound.close)
        database = Database.of_gateway(options.folder, options.database_url)
        stack.callback(database.close)
        await asyncio.to_thread(database.migrate)
        gateway_id = GatewayId(
            await database.write(lambda connection: records.fact(connection, "gateway_id", new_gateway_id()))
        )
        places = Places(spawners, table)
        stack.push_async_callback(places.close)
        background = await stack.enter_async_context(Background())
        gateway = Gateway(options, gateway_id, database, places, background)
        stack.callback(gateway.keeper.ways_out.close_desk)
        gateway.keeper.ways_out.open_for_builds()
        desk, images = gateway.desk, gateway.images
        await Recovery(database, places, gateway.keeper, background, desk.place, images.build).run()
        background.repeat(gateway.tick, TICK_S, "the tick")
        background.repeat(gateway.keeper.reconcile, RECONCILE_EVERY_S, "reconciling")
        background.repeat(gateway.caches.look, LOOK_EVERY_S, "looking through caches")
        background.repeat(gateway.caches.guard, GUARD_EVERY_S, "looking at the disk")
        background.repeat(gateway.keeper.remove_old_logs, OLD_LOGS_EVERY_S, "removing old logs")
        _listen(gateway, tcp, stack)
        yield gateway


def _bind(options: GatewayOptions) -> list[socket]:
    try:
        return bind_sockets(options.port, options.host)
    except OSError as error:
        raise Conflict(
            f"can't listen on port {options.port} of {options.host} ({error.strerror}): "
            "take another with --port, or --port 0 for any that is free"
        ) from error


def _listen(gateway: Gateway, tcp: list[socket], stack: AsyncExitStack) -> None:
    """One server on TCP for clients, one on the unix socket for agents, which serves them alone."""
    gateway.port = tcp[0].getsockname()[1]
    config.make_private(gateway.keeper.folders.socket.parent)
    unix = bind_unix_socket(str(gateway.keeper.folders.socket), mode=0o600)
    for sockets, routes, tls in ((tcp, ROUTES, gateway.options.tls), ([unix], AGENT_ROUTES, None)):
        server = HTTPServer(
            make_application(gateway, routes),
            ssl_options=tls,
            max_header_size=MAX_HEAD_BYTES,
            max_body_size=2 * MAX_DROPPED_BYTES,  # handlers refuse before, in words
            idle_connection_timeout=120,
        )
        server.add_sockets(sockets)
        stack.push_async_callback(_close_server, server)
    stack.push_async_callback(gateway.close_sockets)


async def _close_server(server: HTTPServer) -> None:
    server.stop()
    await server.close_all_connections()
