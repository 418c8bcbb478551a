"""All checks of one gateway, in the order in which their lines are read."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..api import Image
from ..errors import FarcellError
from ..spawners.auto import ANSWERS_S, where_image_is, why_deaf
from ..spawners.contract import SpawnerSetup
from ..spawners.docker.engine import Engine, EngineRefused
from ..spawners.docker.options import DockerOptions, DockerSettings
from ..spawners.nvml import Nvml
from .engine import EngineFacts, engine_lines, mount_options
from .gateway import agent_lines, disk_line, folder_line
from .gpus import gpu_lines, read_gpus
from .line import Line
from .system import read_system, system_lines


def machine_lines(setup: SpawnerSetup, *, min_free_bytes: int, containers: bool) -> Iterator[Line]:
    """Of the machine, for a gateway with that setup; `containers`: it is to have an engine, by its operator's word."""
    yield from system_lines(read_system())
    yield folder_line(setup.folder)
    yield disk_line(_free(setup.folder), min_free_bytes)
    facts = read_engine(DockerOptions(config=setup.config).settings(setup))
    yield from engine_lines(facts, needed=containers)
    if facts.answers:
        yield from agent_lines(setup.folder)
    nvml = Nvml()
    try:
        yield from gpu_lines(read_gpus(nvml), containers=facts.answers, runtimes=facts.runtimes)
    finally:
        nvml.close()


def _free(folder: Path) -> int:
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def read_engine(settings: DockerSettings) -> EngineFacts:
    """Blocks for as long as the engine takes to answer."""
    if deaf := why_deaf(settings.url):
        return EngineFacts(settings.url, deaf=deaf.errno)
    return asyncio.run(_ask(settings))


async def _ask(settings: DockerSettings) -> EngineFacts:
    engine = Engine(settings.url, answers_s=ANSWERS_S)
    try:
        version = await engine.call(lambda client: client.version())
        info = await engine.info()
        image = await where_image_is(engine, settings)
    except (FarcellError, EngineRefused) as error:
        return EngineFacts(settings.url, failed=str(error))
    finally:
        await engine.close()
    mounts = await asyncio.to_thread(Path("/proc/self/mountinfo").read_text)
    root = Path(str(info.get("DockerRootDir", "/")))
    return EngineFacts(
        url=settings.url,
        version=version,
        info=info,
        image=image,
        base=settings.builds.bases.of(Image()),
        root_options=mount_options(mounts, root),
        wanted_runtimes={isolation.value: runtime for isolation, runtime in settings.runtimes.items()},
        disk_bytes=settings.limits.disk_bytes,
    )
