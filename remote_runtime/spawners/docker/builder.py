"""Makes images from definitions with the engine's own builder, once each."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from weakref import WeakValueDictionary

from ...api import Image
from ...errors import BuildFailed, ImageNotSupported, Unavailable
from .agent_environment import AgentEnvironment
from .build_call import BuildCall
from .build_context import write_context
from .build_network import BuildNetwork
from .build_output import BuildOutput, pull_line
from .build_settings import BuildSettings
from .build_stream import BuildStream
from .build_telling import BuildTelling
from .dockerfile import Recipe, finishing, step_names, stepping
from .engine import Engine, EngineRefused
from .flight import Flight, Tell
from .image_keeper import ImageKeeper
from .image_names import finished_tag, full_name
from .image_uses import ImageUses

MAX_BUILDS = 4
"""At the same time; others wait for one to end."""
log = logging.getLogger(__name__)


class ImageBuilder:
    """`agent` gives the agent's environment, which has the forwarder that builds reach the gateway's proxy by."""

    def __init__(
        self, engine: Engine, settings: BuildSettings, agent: Callable[[], Awaitable[AgentEnvironment]]
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._agent = agent
        self._keeper = ImageKeeper(engine, ImageUses(settings.folder), settings.keep)
        self._network = BuildNetwork(engine, settings.network, settings.egress, str(settings.folder))
        self._executor = ThreadPoolExecutor(MAX_BUILDS, thread_name_prefix="farcell-build")
        self._room = asyncio.Semaphore(MAX_BUILDS)
        self._is_closed = False
        self._flights: dict[str, Flight] = {}
        self._finishing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def tag(self, image: Image) -> str:
        """What `build` makes of `image`; raises `ImageNotSupported`."""
        return self._settings.bases.tag(image)

    async def build(self, image: Image, tell: Tell) -> None:
        """As `Spawner.build`."""
        image.check()
        tag = self.tag(image)
        if await self._engine.has_image(tag):
            await self._keeper.note(tag)
            return
        while (flight := self._flights.get(tag)) and not flight.can_be_joined:
            await flight.over()
            self._forget(tag, flight)
        if self._is_closed:
            raise Unavailable("the image is not built any more: the gateway is about to end")
        if flight is None:
            flight = self._flights[tag] = Flight(lambda say: self._make(image, tag, say))
        try:
            await flight.join(tell)
        finally:
            self._forget(tag, flight)

    async def close(self) -> None:
        """Gives up what is being built. May be called twice."""
        self._is_closed = True
        for flight in [*self._flights.values()]:
            await flight.give_up()
        await asyncio.to_thread(self._executor.shutdown)

    def _forget(self, tag: str, flight: Flight) -> None:
        if not flight.can_be_joined and self._flights.get(tag) is flight:
            del self._flights[tag]

    # --- one image ---

    async def _make(self, image: Image, tag: str, tell: Tell) -> None:
        base = full_name(self._settings.bases.of(image))
        began = time.monotonic()
        async with self._room:
            self._settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            telling = BuildTelling(step_names(image, base), tell, asyncio.get_running_loop())
            below = await self._base(base, telling)
            finished = await self._finished(below, image.python_version, telling)
            if image.steps:
                recipe = stepping(finished["Id"], image, self._settings.arguments)
                await self._run(recipe, tag, finished, telling)
            else:
                repository, _, name = tag.partition(":")
                await self._engine.call(lambda client: client.tag(finished["Id"], repository, name))
        await self._keeper.note(tag, int(finished["Size"]))
        log.info("image %s: made in %.1f s, as %s", image.digest[:12], time.monotonic() - began, tag)
        await self._keeper.evict()

    async def _base(self, reference: str, telling: BuildTelling) -> dict[str, Any]:
        telling.begin(1)
        if (facts := await self._engine.inspect_image(reference)) is not None:
            return facts

        def pull(stream: BuildStream) -> None:
            for chunk in stream.pull(reference):
                if "error" in chunk:
                    raise EngineRefused(str(chunk["error"]), 500)
                telling.hear(pull_line(chunk))

        try:
            await self._in_stream(pull)
        except EngineRefused as refusal:
            raise ImageNotSupported(
                f"the image {reference} is not here, and can't be had: the engine said: {refusal}. Look at its name; "
                f"one of a registry that is not reached from here has to be brought: docker save, docker load"
            ) from refusal
        return await self._made(reference)

    async def _finished(
        self, below: Mapping[str, Any], python_version: str | None, telling: BuildTelling
    ) -> dict[str, Any]:
        tag = finished_tag(below["Id"], python_version)
        async with self._finishing.setdefault(tag, asyncio.Lock()):
            finished = await self._engine.inspect_image(tag)
            if finished is None:
                recipe = finishing(below["Id"], python_version, _uv(), self._settings.arguments)
                finished = await self._run(recipe, tag, below, telling)
        await self._keeper.note(tag, int(below["Size"]))
        return finished

    async def _run(
        self, recipe: Recipe, tag: str, below: Mapping[str, Any], telling: BuildTelling
    ) -> dict[str, Any]:
        """Builds what is called `tag` from then on, on top of `below`; what the engine knows of it."""
        environment = await self._agent() if self._network.is_forwarded else None
        with tempfile.TemporaryFile(dir=self._settings.folder) as context:
            await asyncio.to_thread(write_context, recipe, self._settings.archives, context)
            context.seek(0)
            async with self._network.reach(below["Id"], environment) as reach:
                call = BuildCall(
                    tag=tag,
                    network=reach.mode,
                    arguments={**recipe.arguments, **reach.arguments},
                    memory_bytes=self._settings.memory_bytes,
                    cgroup_parent=self._settings.cgroup_parent,
                )
                await self._follow(call, context, BuildOutput(recipe.owners), telling)
        return await self._made(tag)

    async def _follow(
        self, call: BuildCall, context: IO[bytes], output: BuildOutput, telling: BuildTelling
    ) -> None:
        def follow(stream: BuildStream) -> None:
            for chunk in stream.build(call, context):
                lines = output.take(chunk)
                telling.begin(output.step)
                for line in lines:
                    telling.hear(line)

        try:
            await self._in_stream(follow)
        except EngineRefused as refusal:
            raise BuildFailed(f"the engine's builder does not take the image: {refusal}") from refusal
        if output.failure is not None:
            raise telling.failed(output.failure)

    async def _made(self, tag: str) -> dict[str, Any]:
        facts = await self._engine.inspect_image(tag)
        if facts is None:
            raise BuildFailed("the engine broke off in the middle of the image's build; ask again")
        return facts

    async def _in_stream(self, work: Callable[[BuildStream], None]) -> None:
        """Runs `work` in a thread; when the caller is cancelled, once the engine was told and the thread is done."""
        stream = BuildStream(self._engine.url)
        job = asyncio.get_running_loop().run_in_executor(
            self._executor, self._engine.ask, lambda _: stream.carry_out(work)
        )
        try:
            await asyncio.shield(job)
        except asyncio.CancelledError:
            stream.end()
            while not job.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([job])
            if error := job.exception():
                log.info("what was cancelled failed anyway: %s", error)
            raise


def _uv() -> Path:
    """The gateway's own, which images are given."""
    import uv

    return Path(uv.find_uv_bin())
