"""Which handler serves which path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tornado.web import Application

from .handlers import (
    agents,
    base,
    channels,
    images,
    journal,
    jupyter,
    jupyter_sessions,
    kernels,
    logs,
    sessions,
    system,
)

if TYPE_CHECKING:
    from .application import Gateway

MAX_FRAME_BYTES = channels.MAX_MESSAGE_BYTES
_ID = r"([A-Za-z0-9-]{1,64})"

Route = tuple[str, type[base.Guard]]
ROUTES: tuple[Route, ...] = (
    (r"/api/?", jupyter.ApiVersion),
    (r"/api/status", jupyter.ApiStatus),
    (r"/api/me", jupyter.ApiMe),
    (r"/api/(?:contents|terminals)(?:/.*)?", jupyter.NotServed),
    (r"/api/sessions", jupyter_sessions.JupyterSessions),
    (rf"/api/sessions/{_ID}", jupyter_sessions.OneJupyterSession),
    (r"/api/kernelspecs", kernels.KernelSpecs),
    (r"/api/kernelspecs/([^/]+)", kernels.KernelSpec),
    (r"/api/kernels", kernels.Kernels),
    (rf"/api/kernels/{_ID}", kernels.Kernel),
    (rf"/api/kernels/{_ID}/interrupt", kernels.InterruptKernel),
    (rf"/api/kernels/{_ID}/restart", kernels.RestartKernel),
    (rf"/api/kernels/{_ID}/channels", channels.Channels),
    (r"/farcell/v1/openapi\.json", system.Description),
    (r"/farcell/v1/health", system.Health),
    (r"/farcell/v1/me", system.Me),
    (r"/farcell/v1/shutdown", system.Shutdown),
    (r"/farcell/v1/offers", sessions.Offers),
    (r"/farcell/v1/sessions", sessions.Sessions),
    (rf"/farcell/v1/sessions/{_ID}", sessions.OneSession),
    (rf"/farcell/v1/sessions/{_ID}/keep", sessions.KeepSession),
    (rf"/farcell/v1/sessions/{_ID}/shown", sessions.ShownSession),
    (rf"/farcell/v1/sessions/{_ID}/logs", logs.SessionLogs),
    (rf"/farcell/v1/sessions/{_ID}/image", images.SessionImage),
    (rf"/farcell/v1/sessions/{_ID}/journal", journal.SessionJournal),
    (r"/farcell/v1/leases", sessions.Leases),
    (rf"/farcell/v1/logs/{_ID}", logs.LeaseLogs),
    (r"/farcell/v1/images", images.Images),
    (rf"/farcell/v1/images/{_ID}/log", images.BuildLog),
    (r"/farcell/v1/images/([A-Za-z0-9][A-Za-z0-9._-]{0,99})", images.OneImage),
    (rf"/farcell/v1/image-files/{_ID}", images.ImageFile),
    (r"/farcell/v1/bill", sessions.Bill),
    (r"/farcell/v1/events", sessions.Events),
    (rf"/farcell/v1/agents/{_ID}/connect", agents.AgentConnect),
    (r"/metrics", system.Metrics),
)
"""What each of them answers with is said beside its methods (`handlers.operation`)."""
AGENT_ROUTES = tuple(route for route in ROUTES if route[1] is agents.AgentConnect)


def make_application(gateway: Gateway, routes: Sequence[Route] = ROUTES) -> Application:
    facts = {"gateway": gateway}
    return Application(
        [(path, handler, facts) for path, handler in routes],
        default_handler_class=base.Missing,
        default_handler_args=facts,
        websocket_max_message_size=MAX_FRAME_BYTES,
        websocket_ping_interval=gateway.options.ping_s,
        log_function=_log_request,
    )


def _log_request(handler: object) -> None:
    """Requests are not logged: a lease's story is told where it happens."""
