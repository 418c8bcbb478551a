"""What the gateway's WebSockets share: checks before the upgrade, one subprotocol, how they are written and closed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from tornado.web import stream_request_body
from tornado.websocket import WebSocketHandler, WebSocketProtocol, WebSocketProtocol13

from ...errors import BadRequest, FarcellError, MethodNotAllowed
from .base import Guard
from .buffered_websocket import BufferedWebSocket

if TYPE_CHECKING:
    from ..application import Gateway

MAX_REASON_BYTES = 120
"""RFC 6455 leaves a close frame's reason 123."""
GOING_AWAY = 1001
SWITCHING_PROTOCOLS = 101
WEBSOCKET_VERSION = "13"
"""RFC 6455's, the only one that was not a draft's."""


@stream_request_body
class SocketHandler(Guard, WebSocketHandler):
    """A WebSocket that speaks one of `subprotocols`; what `check` raises is answered as JSON before the upgrade."""

    subprotocols: ClassVar[tuple[str, ...]]
    """The first that the other side offers too is spoken."""
    needs_subprotocol: ClassVar[bool] = True
    """Else `selected_subprotocol` is None for whoever offers none of them."""

    def initialize(self, gateway: Gateway) -> None:
        super().initialize(gateway)
        self.closed = asyncio.Event()

    async def prepare(self) -> None:
        self.check_size()
        if self.request.method != "GET":
            raise MethodNotAllowed("here is a WebSocket, which is asked for by GET")
        if self.body_bytes() != 0:
            raise BadRequest("a request for a WebSocket has no body")
        self.check_place()
        await self.check()
        if not self._is_handshake():
            raise BadRequest(
                f"here is a WebSocket (subprotocol {' or '.join(self.subprotocols)}); this is no request for one"
            )

    def _is_handshake(self) -> bool:
        """Tornado would look for the same, and answer in a form of its own."""
        headers = self.request.headers
        connection = [word.strip().lower() for word in headers.get("Connection", "").split(",")]
        return (
            headers.get("Upgrade", "").lower() == "websocket"
            and "upgrade" in connection
            and headers.get("Sec-WebSocket-Version") == WEBSOCKET_VERSION
            and bool(headers.get("Sec-WebSocket-Key"))
        )

    async def check(self) -> None:
        """Raises where whoever asks may not have this WebSocket."""
        raise NotImplementedError

    def data_received(self, chunk: bytes) -> None:
        """Never called: `prepare` has refused a body."""

    def check_origin(self, _origin: str) -> bool:
        return True  # `check_place` has done so, for requests of every kind

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return next((ours for ours in self.subprotocols if ours in subprotocols), None)

    def open(self, *_ids: str) -> None:
        self.gateway.sockets.add(self)
        self.set_nodelay(True)
        if self.selected_subprotocol in self.subprotocols or not self.needs_subprotocol:
            self.opened()
        else:
            self.close(1002, f"this WebSocket speaks {' or '.join(self.subprotocols)}"[:MAX_REASON_BYTES])

    def opened(self) -> None:
        """The other side speaks the subprotocol."""

    def on_close(self) -> None:
        self.gateway.sockets.discard(self)
        self.closed.set()

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        stock = super().get_websocket_protocol()
        return BufferedWebSocket(self, stock) if isinstance(stock, WebSocketProtocol13) else stock

    def write_frame(self, data: str | bytes) -> None:
        """Queues a text or binary message; silent when the socket is closed."""
        if isinstance(self.ws_connection, BufferedWebSocket):
            self.ws_connection.queue(data)

    @property
    def unwritten_bytes(self) -> int:
        """Of what `write_frame` was given: how far the other side is behind."""
        connection = self.ws_connection
        return connection.unwritten_bytes if isinstance(connection, BufferedWebSocket) else 0

    def refuse(self, code: int, error: FarcellError) -> None:
        """Closes with the error's sentence."""
        self.close_saying(code, error.message)

    def close_saying(self, code: int, reason: str) -> None:
        """Closes with as much of the reason as a close frame has room for."""
        self.close(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))
