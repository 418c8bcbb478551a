"""Which spawner a gateway takes that was not told: Docker's where it can work, else the process spawner."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..api import Image
from ..errors import FarcellError, ImageNotSupported
from .contract import SpawnerSetup

if TYPE_CHECKING:
    from .docker.engine import Engine
    from .docker.options import DockerSettings

log = logging.getLogger(__name__)

AUTO = "auto"
ANSWERS_S = 10.0
"""Who waits longer for an engine's answer at a gateway's start has none."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`why` is the end of a sentence that begins with the spawner's name."""

    spawner: str
    why: str


def choose(setup: SpawnerSetup) -> Choice:
    """Blocks for as long as an engine takes to answer; raises `BadRequest` for what its operator can't have meant."""
    try:
        return asyncio.run(_choose(setup))
    except ImportError as error:
        return Choice("process", f"Docker's is not installed whole ({error})")


async def _choose(setup: SpawnerSetup) -> Choice:
    from .docker.engine import Engine
    from .docker.options import DockerOptions

    settings = DockerOptions(config=setup.config).settings(setup)
    if deaf := why_deaf(settings.url):
        return Choice(
            "process", f"the container engine at {settings.url} can't be asked: {deaf.strerror or deaf}"
        )
    engine = Engine(settings.url, answers_s=ANSWERS_S)
    try:
        return await _asked(engine, settings)
    finally:
        await engine.close()


def why_deaf(url: str) -> OSError | None:
    """Why nobody hears at a unix socket; None where somebody does, and for what is no unix socket."""
    scheme, _, path = url.partition("://")
    if scheme not in ("unix", "http+unix"):
        return None
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(ANSWERS_S)
        try:
            probe.connect(path)
        except OSError as error:
            return error
    return None


async def _asked(engine: Engine, settings: DockerSettings) -> Choice:
    from .docker.engine import EngineRefused

    try:
        info = await engine.info()
        default, known = str(info.get("DefaultRuntime", "its default")), info.get("Runtimes", {})
        runtimes = [name or default for name in settings.runtimes.values() if not name or name in known]
        if not runtimes:
            wanted = ", ".join(settings.runtimes.values())
            return Choice("process", f"the engine at {engine.url} has none of the runtimes {wanted}")
        image = await where_image_is(engine, settings)
    except (FarcellError, EngineRefused) as error:
        return Choice("process", str(error))
    if image is None:
        base = settings.builds.bases.of(Image())
        return Choice(
            "process", f"the engine at {engine.url} lacks {base}, and no registry that it reaches has it"
        )
    version = info.get("ServerVersion", "")
    return Choice("docker", f"the engine at {engine.url} ({version}, {', '.join(runtimes)}) {image}")


async def where_image_is(engine: Engine, settings: DockerSettings) -> str | None:
    """What a container has that asks for no image: there, to be built, or to be pulled; None where it can't be had."""
    from .docker.engine import EngineRefused

    bases = settings.builds.bases
    try:
        base = bases.of(Image())
    except ImageNotSupported:
        return None
    if await engine.has_image(bases.tag(Image())):
        return "has its image"
    if await engine.has_image(base):
        return f"can build its image on {base}"
    try:
        await engine.call(lambda client: client.inspect_distribution(base))
    except (FarcellError, EngineRefused) as error:
        log.info("the image %s can't be pulled: %s", base, error)
        return None
    return f"can pull {base}"
