"""Which session a Farcell kernel asks for: by its kernel spec's arguments and its notebook."""

from __future__ import annotations

from dataclasses import dataclass

from farcell.remote_runtime.api import Image, Request, SessionSettings, SessionSpec, Walls, default_table
from farcell.remote_runtime.api.duration import parse_duration
from farcell.remote_runtime.api.image_steps import split_words
from farcell.remote_runtime.client.chosen_image import asks_gateway, chosen_image
from farcell.remote_runtime.client.core import Core
from farcell.remote_runtime.errors import UnknownGpu

from ..notebook import Notebook


@dataclass(frozen=True, slots=True)
class Asked:
    """The kernel spec's arguments as they were typed; an empty text was left out. `pip` are packages as in a shell."""

    gpu: str
    name: str = ""
    idle: str = ""
    network: str = ""
    isolation: str = ""
    image: str = ""
    pip: str = ""


async def session_spec(core: Core, notebook: Notebook, asked: Asked) -> SessionSpec:
    """Raises `BadRequest` for arguments that can't be read.

    The gateway is asked only about unknown GPUs and saved images.
    """
    walls = Walls.parse(asked.isolation, asked.network)
    request = await _parse(core, asked.gpu)
    settings = SessionSettings(idle_s=parse_duration(asked.idle)) if asked.idle else SessionSettings()
    image = await _image(core, asked)
    key = notebook.session_key(asked.name or request.default_name)
    return SessionSpec(key, request, settings, image or Image(), walls, keeps_image=image is None)


async def _image(core: Core, asked: Asked) -> Image | None:
    saved = await core.gateway.images() if asks_gateway(asked.image, {}) else []
    return chosen_image(asked.image, split_words(asked.pip), saved)


async def _parse(core: Core, gpu: str) -> Request:
    try:
        return Request.parse(gpu)
    except UnknownGpu:
        offered = (offer.gpu_type for offer in await core.gateway.offers())
        return Request.parse(gpu, default_table().including(filter(None, offered)))
