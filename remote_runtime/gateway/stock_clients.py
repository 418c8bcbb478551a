"""Stock Jupyter clients of one session, and what Jupyter Server does for them: it keeps messages for one that is away.

Kept is what comes for the last stock client that left, if it named a session id (``?session_id=`` of its channels): at
most `KEPT_BYTES`, for `KEPT_S`. It gets them in order when it is back under that id. Beyond that, or when another stock
client comes first, they are dropped, as Jupyter Server drops them; the session's journal still has them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from .relay import MESSAGE_BYTES, Relay

_log = logging.getLogger(__name__)

KEPT_BYTES = 16 << 20
KEPT_S = 600.0
REPLACED = 1008


class Socket(Protocol):
    """A stock client's WebSocket."""

    def deliver(self, data: bytes) -> None: ...

    def end(self, code: int, reason: str) -> None: ...

    def close(self, code: int | None = None, reason: str | None = None) -> None: ...


class StockClient:
    """What the relay knows: one number for all the connections that name the same session id.

    `forget` is called with it when it was away too long, or would be kept too much for.
    """

    own = False
    holder = None

    def __init__(self, session_id: str, forget: Callable[[StockClient], None]) -> None:
        self.session_id = session_id
        self.number = 0
        self.socket: Socket | None = None
        self._forget = forget
        self._timer: asyncio.TimerHandle | None = None
        self._kept: list[bytes] = []
        self._kept_bytes = 0

    def come(self, socket: Socket) -> None:
        """Its (new) connection: gets what was kept; an older one is closed."""
        old, self.socket = self.socket, socket
        if old is not None:
            old.close(REPLACED, "another connection has the same session id")
        for data in self.drop():
            socket.deliver(data)

    def leave(self) -> None:
        """From now on messages are kept."""
        self.socket = None
        self._timer = asyncio.get_running_loop().call_later(KEPT_S, self._forget, self)

    def drop(self) -> list[bytes]:
        """What was kept, which is forgotten."""
        if self._timer is not None:
            self._timer.cancel()
        kept, self._kept, self._kept_bytes = self._kept, [], 0
        return kept

    # --- what the relay calls ---

    def deliver(self, data: bytes) -> None:
        if self.socket is not None:
            self.socket.deliver(data)
            return
        self._kept.append(data)
        self._kept_bytes += len(data) + MESSAGE_BYTES
        if self._kept_bytes > KEPT_BYTES:
            self._forget(self)

    def end(self, code: int, reason: str) -> None:
        self.drop()
        if self.socket is not None:
            self.socket.end(code, reason)


class StockClients:
    """One session's. At most one of them is away and remembered."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._here: set[StockClient] = set()
        self._away: StockClient | None = None

    @property
    def away(self) -> int:
        return 0 if self._away is None else 1

    def come(self, socket: Socket, session_id: str) -> StockClient:
        """The client of this connection; without a session id it is always a new one."""
        client = self._known(session_id) or self._new(session_id)
        self._here.add(client)
        client.come(socket)
        return client

    def leave(self, client: StockClient, socket: Socket) -> None:
        """The connection is closed; silent where the client has another by now."""
        if client.socket is not socket:
            return
        self._here.discard(client)
        if client.session_id and not self._here and not self._relay.over:
            self._away = client
            client.leave()
        else:
            client.socket = None
            self._relay.detach(client.number, client)

    def cut_off(self, client: StockClient) -> None:
        """Gives the client up while its connection is still closing."""
        client.socket = None
        self._here.discard(client)
        self._relay.detach(client.number, client)

    def _known(self, session_id: str) -> StockClient | None:
        """Who has this id; anybody else who is away is forgotten."""
        away = self._away
        if away is not None and away.session_id == session_id:
            self._away = None
            return away
        if away is not None:
            self._forget(away)
        return next((one for one in self._here if session_id and one.session_id == session_id), None)

    def _new(self, session_id: str) -> StockClient:
        client = StockClient(session_id, self._forget)
        client.number = self._relay.attach(client)
        return client

    def _forget(self, client: StockClient) -> None:
        self._away = None
        dropped = len(client.drop())
        self._relay.detach(client.number, client)
        _log.info("stock client %d does not come back: %d messages dropped", client.number, dropped)
