"""The Jupyter Server half: what the sidebar asks, it asks the gateway with the user's own credentials.

The browser proves itself to Jupyter Server (its cookie or token, also behind JupyterHub); the gateway's token stays in
this process.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado.web import authenticated

from farcell.remote_runtime.client import connect
from farcell.remote_runtime.errors import FarcellError, GatewayNotRunning


async def overview() -> dict[str, Any]:
    """Offers and sessions of the user's gateway. Never starts one: looking is not using.

    Finds the gateway anew each time, so that a login, a restart and an end are seen at once.
    """
    try:
        gateway = await connect(start=False)
    except GatewayNotRunning:
        return {"gateway": "not-running", "offers": [], "sessions": []}
    try:
        offers = await gateway.get_json("/farcell/v1/offers")
        sessions = await gateway.get_json("/farcell/v1/sessions")
    finally:
        gateway.close()
    return {"gateway": "running", "offers": offers["offers"], "sessions": sessions["sessions"]}


class OverviewHandler(APIHandler):
    """``GET <base_url>/farcell/overview``: all that the sidebar shows, so that one poll is one request.

    That no gateway runs is an answer (200), not a fault: most notebook servers are in that state most of the time.
    """

    @authenticated
    async def get(self) -> None:
        try:
            answer = await overview()
        except FarcellError as error:
            self.set_status(error.status)
            answer = error.to_json()
        await self.finish(answer)


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Called once by Jupyter Server, because of ``jupyter_server_config.d/farcell.json``."""
    path = url_path_join(server.web_app.settings["base_url"], "farcell", "overview")
    server.web_app.add_handlers(".*$", [(path, OverviewHandler)])  # type: ignore[no-untyped-call]
