"""Agents dial in here: ``GET /farcell/v1/agents/{lease}/connect``, subprotocol ``farcell.agent.v1``."""

from __future__ import annotations

import logging
from typing import Any

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from ...api import LeaseId
from ...errors import BadFrame, FarcellError, IncompatibleVersion, Unauthorized
from ...wire import control
from ..live_session import LiveSession
from .base import Guard

_log = logging.getLogger(__name__)

SUBPROTOCOL = "farcell.agent.v1"
OLDEST_WIRE = 1


class AgentConnect(Guard, WebSocketHandler):
    """One connection of an agent: the token, then the hello (which binds it), then frames."""

    _live: LiveSession | None = None
    _greeted = False

    async def prepare(self) -> None:
        self.check_place()
        self._lease_id = LeaseId(self.path_args[0])
        self._token = self.bearer()
        if not await self.gateway.agents.knows(self._lease_id, self._token):
            raise Unauthorized("this is not the token of a running lease")

    def check_origin(self, _origin: str) -> bool:
        return True  # `check_place` has done so, for requests of every kind

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None

    def open(self, _lease_id: str) -> None:
        self.set_nodelay(True)
        if self.selected_subprotocol != SUBPROTOCOL:
            self.close(1002, f"agents speak {SUBPROTOCOL}")

    async def on_message(self, message: str | bytes) -> None:
        try:
            if isinstance(message, str):
                await self._greet(message)
            else:
                self._receive(message)
        except FarcellError as error:
            _log.warning("lease %s: closed its agent's link: %s", self._lease_id, error)
            self.close(1008, error.message[:120])

    async def _greet(self, text: str) -> None:
        """Answers a hello. A second one on the same connection comes when the agent has to begin a new stream."""
        hello = control.decode_from_agent(text)
        if not isinstance(hello, control.Hello):
            raise BadFrame("an agent's first message is its hello")
        if hello.wire < OLDEST_WIRE:
            raise IncompatibleVersion(
                f"the agent speaks wire {hello.wire}, this gateway {control.WIRE_VERSION}: update the agent"
            )
        live = await self.gateway.agents.bind(self._lease_id, self._token, hello.nonce)
        self._live = live
        stream, fresh = live.link.greet(hello.stream)
        welcome = control.Welcome(
            stream=stream,
            lease_end_s=self.gateway.keeper.times.lease_s,
            idle_s=live.session.settings.idle_s,
            busy_cap_s=live.session.settings.busy_cap_s,
        )
        self.write_message(control.encode(welcome).decode())
        live.link.connect(self._write)
        live.relay.connect(live.link, fresh=fresh)
        self._greeted = True

    def _receive(self, frame: bytes) -> None:
        if self._live is None or not self._greeted:
            raise BadFrame("a frame before the hello")
        message = self._live.link.receive(frame)
        if message is not None:
            self.gateway.agents.received(self._live, message)

    def _write(self, frame: bytes) -> None:
        try:
            self.write_message(frame, binary=True).add_done_callback(_ignore_closed)
        except WebSocketClosedError:
            return

    def on_close(self) -> None:
        if self._live is not None and self._live.link.is_written_by(self._write):
            self._live.link.disconnect()
            self.gateway.keeper.link_lost(self._live)


def _ignore_closed(written: Any) -> None:
    if not written.cancelled():
        written.exception()
