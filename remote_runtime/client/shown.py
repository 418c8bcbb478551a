"""Tells the gateway how far a notebook has shown its sessions' output: what comes later was missed."""

from __future__ import annotations

import asyncio
import contextlib

from ..errors import FarcellError
from .channels import Channels
from .user_gateway import UserGateway

SHOWN_AFTER_S = 0.3
GOODBYE_S = 2.0


class ShownMarks:
    """A moment after a cell's end, and once for cells that follow each other closely."""

    def __init__(self, gateway: UserGateway) -> None:
        self._gateway = gateway
        self._telling: dict[Channels, asyncio.Task[None]] = {}

    def tell_soon(self, channels: Channels) -> None:
        if channels not in self._telling:
            self._telling[channels] = asyncio.create_task(self._tell_soon(channels))

    async def close(self) -> None:
        """Tells at once what was still to be told."""
        for channels, telling in list(self._telling.items()):
            telling.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._tell(channels)
        self._telling.clear()

    async def _tell_soon(self, channels: Channels) -> None:
        await asyncio.sleep(SHOWN_AFTER_S)
        del self._telling[channels]
        await self._tell(channels)

    async def _tell(self, channels: Channels) -> None:
        with contextlib.suppress(FarcellError):
            await self._gateway.shown(channels.session.id, channels.shown)
