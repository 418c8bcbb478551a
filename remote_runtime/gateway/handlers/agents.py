"""Agents dial in here: ``GET /farcell/v1/agents/{lease}/connect``, subprotocol ``farcell.agent.v1``."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from ...api import LeaseId
from ...errors import BadFrame, FarcellError, IncompatibleVersion, Unauthorized
from ...wire import control
from ...wire.frames import HEAD_BYTES, MAX_PART_BYTES
from ..live_session import LiveSession
from .operation import Operation
from .sockets import SWITCHING_PROTOCOLS, SocketHandler

_log = logging.getLogger(__name__)

SUBPROTOCOL = "farcell.agent.v1"
OLDEST_WIRE = 1
SILENT_PINGS = 3
"""An agent that hears nothing for as many pings takes its connection for broken."""


class AgentConnect(SocketHandler):
    """One connection of an agent: the token, then the hello (which binds it), then frames."""

    subprotocols = (SUBPROTOCOL,)
    _live: LiveSession | None = None

    @Operation("A WebSocket for the lease's agent, with the lease's token", status=SWITCHING_PROTOCOLS)
    async def get(self, lease: str) -> None:
        await super().get(lease)

    @property
    def max_message_size(self) -> int:
        """A hello, or one frame: an agent that sends more is none, or broken."""
        return HEAD_BYTES + MAX_PART_BYTES

    async def check(self) -> None:
        self._lease_id = LeaseId(self.path_args[0])
        self._token = self.bearer()
        if not await self.gateway.agents.knows(self._lease_id, self._token):
            _log.warning("lease %s: refused an agent: not the token of a running lease", self._lease_id)
            raise Unauthorized("this is not the token of a running lease")

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Only what has to wait costs a task of its own: of frames there are many."""
        if isinstance(message, str):
            return self._be_greeted(message)
        try:
            self._receive(message)
        except FarcellError as error:
            self._refuse(error)
        return None

    async def _be_greeted(self, text: str) -> None:
        try:
            await self._greet(text)
        except FarcellError as error:
            self._refuse(error)

    def _refuse(self, error: FarcellError) -> None:
        _log.warning("lease %s: closed its agent's link: %s", self._lease_id, error)
        self.refuse(1008, error)

    async def _greet(self, text: str) -> None:
        """Answers a hello. A second one on the same connection comes when the agent has to begin a new stream."""
        hello = control.decode_from_agent(text)
        if not isinstance(hello, control.Hello):
            raise BadFrame("an agent's first message is its hello")
        if hello.wire < OLDEST_WIRE:
            raise IncompatibleVersion(
                f"the agent speaks wire {hello.wire}, this gateway {control.WIRE_VERSION}: update the agent"
            )
        live = await self.gateway.agents.bind(self._lease_id, self._token, hello)
        if self.closed.is_set():  # meanwhile, and the agent may have said another hello: this one is stale
            return
        self._live = live
        live.link.take_from(self)
        stream, fresh = live.link.greet(hello.stream)
        welcome = control.Welcome(
            stream=stream,
            lease_end_s=self.gateway.keeper.times.lease_s,
            idle_s=live.session.settings.idle_s,
            busy_cap_s=live.session.settings.busy_cap_s,
            silence_s=SILENT_PINGS * self.gateway.options.ping_s,
            journal_bytes=self.gateway.options.journal_bytes,
            log_bytes=self.gateway.options.log_bytes,
        )
        self.write_message(control.encode(welcome).decode())
        live.link.connect(self)
        live.relay.connect(live.link, fresh=fresh)

    def _receive(self, frame: bytes) -> None:
        if self._live is None or not self._live.link.is_written_by(self):
            raise BadFrame("a frame before the hello")
        message = self._live.link.receive(frame)
        if message is not None:
            self.gateway.agents.received(self._live, message)

    def on_close(self) -> None:
        super().on_close()
        if self._live is not None and self._live.link.is_written_by(self):
            self._live.link.disconnect()
            self.gateway.keeper.link_lost(self._live)
