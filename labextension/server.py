"""The Jupyter Server half: what the sidebar asks, it asks the gateway with the user's own credentials.

The browser proves itself to Jupyter Server (its cookie or token, also behind JupyterHub); the gateway's token stays in
this process.
"""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.application import ExtensionApp
from tornado.web import authenticated

from farcell.remote_runtime.client import Gateway, connect
from farcell.remote_runtime.errors import FarcellError, GatewayNotRunning, Unavailable


class GatewayLink:
    """The one connection to the gateway; made when first asked for, and anew after the gateway was gone."""

    def __init__(self) -> None:
        self._gateway: Gateway | None = None
        self._connecting = asyncio.Lock()

    async def get(self, *paths: str) -> list[Any]:
        """The decoded answers for these paths, all or none. Never starts a gateway: looking is not using."""
        gateway = await self._connected()
        try:
            return [await gateway.get_json(path) for path in paths]
        except Unavailable:
            await self.close()
            raise

    async def close(self) -> None:
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            await gateway.close()

    async def _connected(self) -> Gateway:
        async with self._connecting:
            if self._gateway is None:
                self._gateway = await connect(start=False)
            return self._gateway


class OverviewHandler(APIHandler):
    """``GET <base_url>/farcell/overview``: offers and sessions at one moment, so that one poll is one request.

    That no gateway runs is an answer (200), not a fault: most notebook servers are in that state most of the time.
    """

    def initialize(self, link: GatewayLink) -> None:
        self._link = link

    @authenticated
    async def get(self) -> None:
        try:
            offers, sessions = await self._link.get("/farcell/v1/offers", "/farcell/v1/sessions")
        except GatewayNotRunning:
            await self.finish({"gateway": "not-running", "offers": [], "sessions": []})
        except FarcellError as error:
            self.set_status(error.status)
            await self.finish(error.to_json())
        else:
            await self.finish(
                {"gateway": "running", "offers": offers["offers"], "sessions": sessions["sessions"]}
            )


class FarcellExtension(ExtensionApp):
    """What Jupyter Server loads, by ``jupyter_server_config.d/farcell.json``."""

    name = "farcell"

    def initialize_handlers(self) -> None:
        self._link = GatewayLink()
        self.handlers.append((r"/farcell/overview", OverviewHandler, {"link": self._link}))

    async def stop_extension(self) -> None:
        await self._link.close()
