"""Which session a Farcell kernel asks for: by its kernel spec's arguments and its notebook."""

from __future__ import annotations

from farcell.remote_runtime.api import Request, SessionSettings, SessionSpec, default_table
from farcell.remote_runtime.api.duration import parse_duration
from farcell.remote_runtime.client.core import Core
from farcell.remote_runtime.errors import UnknownGpu

from ..notebook import Notebook


async def session_spec(core: Core, notebook: Notebook, gpu: str, name: str, idle: str) -> SessionSpec:
    """Raises `BadRequest` for arguments that can't be read; the gateway is asked only about unknown GPUs."""
    request = await _parse(core, gpu)
    settings = SessionSettings(idle_s=parse_duration(idle)) if idle else SessionSettings()
    return SessionSpec(notebook.session_key(name or request.default_name), request, settings)


async def _parse(core: Core, gpu: str) -> Request:
    try:
        return Request.parse(gpu)
    except UnknownGpu:
        offered = (offer.gpu_type for offer in await core.gateway.offers())
        return Request.parse(gpu, default_table().including(filter(None, offered)))
