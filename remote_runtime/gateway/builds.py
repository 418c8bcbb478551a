"""Builds of images: one for each definition and spawner, whoever waits for it, and what they said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from ..api import BuildProgress, Image
from ..config import make_private
from ..errors import BuildFailed, FarcellError, ImageNotSupported
from ..spawners.contract import Spawner
from .build_log import BuildLog
from .lease_folders import LeaseFolders

_log = logging.getLogger(__name__)

Tell = Callable[[BuildProgress], None]


class _Build:
    """One under way. It is cancelled when nobody waits for it any more."""

    def __init__(self, spawner: Spawner, image: Image, log: BuildLog) -> None:
        self._listeners: list[Tell] = []
        self._newest: BuildProgress | None = None
        self._log = log
        self.task = asyncio.create_task(self._run(spawner, image), name=f"building {image.digest[:12]}")

    async def _run(self, spawner: Spawner, image: Image) -> None:
        try:
            await spawner.build(image, self._heard)
            self._log.end("built" if self._newest else None)
        except BaseException as error:
            said = error.message if isinstance(error, FarcellError) else f"ended by {type(error).__name__}"
            self._log.end(said)
            raise

    def _heard(self, progress: BuildProgress) -> None:
        self._newest = progress
        self._log.write(progress)
        for tell in self._listeners:
            tell(progress)

    async def wait(self, tell: Tell) -> None:
        self._listeners.append(tell)
        if self._newest is not None:
            tell(self._newest)
        try:
            await asyncio.shield(self.task)
        finally:
            self._listeners.remove(tell)
            if not self._listeners and not self.task.done():
                await _end(self.task)


class ImageBuilds:
    """Asks spawners to build. What the newest build of a definition said is kept in `folders`."""

    def __init__(self, folders: LeaseFolders, spawners: Mapping[str, Spawner]) -> None:
        self._folders = folders
        self._spawners = spawners
        self._running: dict[tuple[str, str], _Build] = {}

    async def make(self, image: Image, spawners: Iterable[str], tell: Tell) -> frozenset[str]:
        """Those of the spawners that have the image now; to be cancelled when it is not wanted any more.

        Raises `BuildFailed` or `ImageNotSupported` where none has.
        """
        names = list(spawners)
        results = await asyncio.gather(
            *(self._make(name, image, tell) for name in names), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Exception):
                raise result
        failures = [result for result in results if isinstance(result, Exception)]
        if len(failures) == len(names):
            raise _worst(failures)
        return frozenset(name for name, result in zip(names, results, strict=True) if result is None)

    async def _make(self, name: str, image: Image, tell: Tell) -> None:
        key = (name, image.digest)
        while (build := self._running.get(key)) is not None and build.task.cancelling():
            await _end(build.task)  # whoever waited has just left it
        if build is None:
            log = self._folders.build_log(image.digest)
            make_private(log.parent)
            build = self._running[key] = _Build(self._spawners[name], image, BuildLog(log))
            build.task.add_done_callback(lambda _: self._running.pop(key, None))
        await build.wait(tell)


def _worst(failures: list[Exception]) -> Exception:
    """What failed says more than what was refused; of what nobody foresaw the log says all."""
    for failure in failures:
        if not isinstance(failure, FarcellError):
            _log.error("an image can't be built", exc_info=failure)
    known = [failure for failure in failures if isinstance(failure, FarcellError)]
    refused = [failure for failure in known if isinstance(failure, ImageNotSupported)]
    failed = [failure for failure in known if failure not in refused]
    return next(
        iter([*failed, *refused]), BuildFailed("the image can't be built: the gateway's log says why")
    )


async def _end(task: asyncio.Task[None]) -> None:
    """Cancels it, and waits until nothing of it goes on, also when this is cancelled meanwhile."""
    task.cancel()
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
