"""What the gateway tells by itself: changes of the user's sessions, as long as somebody wants to hear of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ..api import Session, from_json
from ..errors import FarcellError
from .streams import EventParser
from .user_gateway import UserGateway

_log = logging.getLogger(__name__)

EVENTS_AGAIN_S = 2.0
EVENTS_QUIET_S = 45.0
"""Gateways send a heartbeat every 15 s."""


class SessionChanges:
    """Hands each change of a session to `noted`, which says whether it concerns anybody, and then to the listeners."""

    def __init__(self, gateway: UserGateway, noted: Callable[[Session], bool]) -> None:
        self._gateway = gateway
        self._noted = noted
        self._listeners: list[Callable[[Session], None]] = []
        self._following: asyncio.Task[None] | None = None

    def listen(self, changed: Callable[[Session], None]) -> None:
        self._listeners.append(changed)

    def follow(self) -> None:
        """From now on; silent when it does already."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
            self._following = None

    async def _follow(self) -> None:
        while True:
            try:
                await self._gateway.events(EventParser(self._heard).feed, EVENTS_QUIET_S)
            except FarcellError as error:
                _log.debug("no events: %s", error)
            await asyncio.sleep(EVENTS_AGAIN_S)

    def _heard(self, kind: str, body: Any) -> None:
        if kind != "session":
            return
        session = from_json(Session, body)
        if not self._noted(session):
            return
        for changed in self._listeners:
            try:
                changed(session)
            except Exception:  # noqa: BLE001 (whoever listens must not end the listening)
                _log.exception("a change of session %s could not be shown", session.id)
