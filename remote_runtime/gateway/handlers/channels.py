"""A kernel's channels: ``GET /api/kernels/{id}/channels``, a WebSocket that speaks three layouts."""

from __future__ import annotations

import logging
from typing import Final, TypedDict

from ...api import Holder
from ...errors import BadFrame, FarcellError, SessionNotFound, TakenOver, Unavailable
from ...wire import legacy, messages, numbered
from ...wire.numbered import BY_JOURNAL_BYTES, NUDGE
from ..relay import Relay
from ..stock_clients import StockClient
from .operation import Operation
from .sockets import SWITCHING_PROTOCOLS, SocketHandler

_log = logging.getLogger(__name__)

SUBPROTOCOL: Final = messages.SUBPROTOCOL
OWN_SUBPROTOCOL: Final = "farcell.client.v1"
MAX_MESSAGE_BYTES = 256 << 20
"""The largest kernel message that a client may send; what is announced larger is refused before it is read."""
MAX_BEHIND_BYTES = 64 << 20
"""A client that has so much to read, beside the largest message that it was sent, is cut off: one message of any size
says nothing about how fast it reads."""
MAX_SESSION_ID = 200
MAX_NAME = 200


class ClientSession(TypedDict, total=False):
    """A query: a stock client that comes back under the same id gets what it missed.

    The others are what our own clients say of themselves (`wire.numbered`).
    """

    session_id: str
    client: str
    name: str
    take: str


class Channels(SocketHandler):
    """Kernel messages, relayed without being decoded where the client speaks the v1 layout.

    Our own clients ask for ``farcell.client.v1`` (`wire.numbered`): what they get is numbered, and what they miss,
    because the connection broke, they read too slowly or a message is long, they read in the session's journal. One of
    them holds the session; another that takes it over closes it. Who asks for no subprotocol speaks Jupyter's older
    layout. For stock clients that name a ``session_id``, messages are kept while they are away (`stock_clients`).
    """

    subprotocols = (OWN_SUBPROTOCOL, SUBPROTOCOL)
    needs_subprotocol = False
    _relay: Relay | None = None
    _spoken: str | None = None
    """The subprotocol; tornado forgets it when this side closes, and the relay may have something to deliver then."""
    _client: StockClient | None = None
    holder: Holder | None = None
    _number = 0
    _largest_bytes = 0

    @Operation(
        "A WebSocket of kernel messages",
        status=SWITCHING_PROTOCOLS,
        query=ClientSession,
        refuses=(SessionNotFound, TakenOver, Unavailable),
    )
    async def get(self, session_id: str) -> None:
        await super().get(session_id)

    async def check(self) -> None:
        user = await self.authenticate()
        self._live = self.gateway.desk.live(user, self.path_args[0])
        client = self.get_query_argument("client", "")[:MAX_SESSION_ID]
        if client and OWN_SUBPROTOCOL in self.request.headers.get("Sec-WebSocket-Protocol", ""):
            name = self.get_query_argument("name", "")[:MAX_NAME] or "another client"
            self.holder = Holder(client, name)
            take = self.get_query_argument("take", "") == "1"
            await self.gateway.desk.hold(self._live, self.holder, take=take)

    @property
    def own(self) -> bool:
        return self._spoken == OWN_SUBPROTOCOL

    def opened(self) -> None:
        self._relay = self._live.relay
        self._spoken = self.selected_subprotocol
        self._live.wanted.set()
        if self.own:
            self._number = self._relay.attach(self)
            self._check_holder()
            return
        session_id = self.get_query_argument("session_id", "")[:MAX_SESSION_ID]
        self._client = self._live.stock.come(self, session_id)
        self._number = self._client.number

    def _check_holder(self) -> None:
        """Another may have been faster to take the session over."""
        holder = self._live.session.holder
        if holder is not None:
            self._live.relay.hand_over(holder)

    async def on_message(self, message: str | bytes) -> None:
        """Tornado reads the next message when this returns: a client that is ahead of its agent waits."""
        if self._relay is None:
            return
        try:
            channel, data = self._incoming(message)
            await self._relay.room(channel)
            self._relay.from_client(self._number, channel, data)
        except FarcellError as error:
            _log.info("session %s: closed client %d: %s", self._live.session.id, self._number, error)
            self.refuse(1007, error)

    def _incoming(self, message: str | bytes) -> tuple[str, bytes]:
        """The channel, and the message in the v1 layout; raises `BadFrame`."""
        if self._spoken is None:
            unpacked = legacy.unpack(message)
            return unpacked.channel, messages.pack(unpacked)
        if isinstance(message, str):
            raise BadFrame("a text message; kernel messages are binary in this subprotocol")
        return messages.check(message), message

    def on_close(self) -> None:
        super().on_close()
        if self._client is not None:
            self._live.stock.leave(self._client, self)
        elif self._relay is not None:
            self._relay.detach(self._number, self)

    # --- what the relay calls ---

    def deliver(self, data: bytes) -> None:
        frame = self._outgoing(data)
        if frame is None:
            return
        self.write_frame(frame)
        self._largest_bytes = max(self._largest_bytes, len(frame))
        if self.unwritten_bytes > MAX_BEHIND_BYTES + self._largest_bytes:
            self._cut_off()

    def _outgoing(self, data: bytes) -> str | bytes | None:
        """None for what the older layout can't say: a kernel's malformed message is nobody else's trouble."""
        if self.own:
            return _by_journal(data) if len(data) > BY_JOURNAL_BYTES else data
        if self._spoken is not None:
            return data
        try:
            return legacy.pack(messages.unpack(data))
        except BadFrame as error:
            _log.warning("session %s: a message of its kernel was dropped: %s", self._live.session.id, error)
            return None

    def _cut_off(self) -> None:
        """Nothing is kept for a stock client that reads too slowly: output with a hole in it would look whole."""
        if self._client is not None:
            self._live.stock.cut_off(self._client)
        elif self._relay is not None:
            self._relay.detach(self._number, self)
        self.close(1013, "the client reads too slowly")

    def end(self, code: int, reason: str) -> None:
        if not self.own:
            self.deliver(_dead(reason))
        self._relay = None
        self.close_saying(code, reason)


def _by_journal(data: bytes) -> bytes:
    """In a long message's place, where the journal has it: that it is there."""
    live = numbered.unpack(data)
    return numbered.pack(live.position, NUDGE, b"") if live.position else data


def _dead(detail: str) -> bytes:
    """The message by which Jupyter Server tells that a kernel is gone for good."""
    content = {"execution_state": "dead", "farcell": {"detail": detail}}
    return messages.pack(messages.encode("iopub", messages.new_header("status", "farcell"), content=content))
