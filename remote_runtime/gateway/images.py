"""The images of sessions: built before their sessions wait for a device, and kept under names of their users'."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..api import BuildProgress, EndReason, Failure, Image, SessionState
from ..errors import FarcellError, ImageFilesMissing
from .builds import ImageBuilds
from .image_files import ImageFiles
from .leases import LeaseKeeper
from .live_session import LiveSession
from .places import Places


class ImageDesk:
    """`changed` is called with a session whenever its build came on."""

    def __init__(
        self, folder: Path, places: Places, keeper: LeaseKeeper, changed: Callable[[LiveSession], None]
    ) -> None:
        self.builds = ImageBuilds(keeper.folders, places.spawners)
        self.files = ImageFiles(folder / "image-files")
        self._places = places
        self._keeper = keeper
        self._changed = changed

    def check(self, image: Image) -> None:
        """Before anything is made for it; raises `BadRequest`, or `ImageFilesMissing` with what is to be sent first."""
        image.check()
        missing = [sha256 for sha256 in image.files if not self.files.has(sha256)]
        if missing:
            raise ImageFilesMissing(
                f"the gateway has not got {len(missing)} of the archives that the image copies",
                sha256=missing,
            )

    def needs_build(self, image: Image) -> bool:
        """Whether a session with that image has anything to wait for before it waits for a device."""
        spawners = self._places.spawners.values()
        return image.is_built or not all(spawner.is_prepared for spawner in spawners)

    async def build(self, live: LiveSession) -> frozenset[str] | None:
        """The spawners that have the session's image, once it is built: from then on it waits for a device.

        None when the session is over: it was stopped meanwhile, or this has ended it, because the build failed.
        """
        live.state = SessionState.BUILDING
        spawners = await self._built_or_over(live)
        if spawners is None or live.ending:
            return None
        live.state, live.build = SessionState.QUEUED, None
        return spawners

    async def fail(self, live: LiveSession, error: FarcellError) -> None:
        """Ends a session that has no lease yet; its clients are told why."""
        live.session = replace(live.session, failure=Failure(error.code, error.message))
        await self._keeper.end(live, EndReason.START_FAILED, error.message)

    async def _built_or_over(self, live: LiveSession) -> frozenset[str] | None:
        making = asyncio.ensure_future(self._make(live))
        over = asyncio.ensure_future(live.over.wait())
        try:
            await asyncio.wait({making, over}, return_when=asyncio.FIRST_COMPLETED)
            return making.result() if making.done() else None
        except FarcellError as error:
            await self.fail(live, error)
            return None
        finally:
            making.cancel()
            over.cancel()
            await asyncio.gather(making, over, return_exceptions=True)

    async def _make(self, live: LiveSession) -> frozenset[str]:
        def tell(progress: BuildProgress) -> None:
            live.build = progress
            self._changed(live)

        session, scheduler = live.session, self._places.scheduler
        await self._places.refresh()
        scheduler.check(session.request, session.walls)
        return await self.builds.make(session.image, scheduler.spawners(session.request, session.walls), tell)
