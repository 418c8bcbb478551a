"""Keeps the images that a gateway made within bounds."""

from __future__ import annotations

import asyncio
import logging
import time

from .engine import Engine, EngineRefused
from .image_uses import ImageUses, KeepRules, KeptImage, to_evict

log = logging.getLogger(__name__)


class ImageKeeper:
    """Looks at the images that are marked in `uses`: others are somebody else's."""

    def __init__(self, engine: Engine, uses: ImageUses, rules: KeepRules) -> None:
        self._engine = engine
        self._uses = uses
        self._rules = rules

    async def note(self, tag: str, below_bytes: int | None = None) -> None:
        """It is used now; where it is new, `below_bytes` is the size of the image that it was made from."""
        await asyncio.to_thread(self._uses.note, tag, below_bytes)

    async def evict(self) -> None:
        """Removes what the rules don't keep, but nothing that a container has. What fails is for the next time."""
        try:
            await self._evict()
        except (EngineRefused, OSError) as error:
            log.warning("old images were not looked for: %s", error)

    async def _evict(self) -> None:
        containers = await self._engine.call(lambda client: client.containers(all=True))
        taken = {str(facts["ImageID"]) for facts in containers}
        kept = []
        for use in await asyncio.to_thread(self._uses.read):
            facts = await self._engine.inspect_image(use.tag)
            if facts is None:
                self._uses.forget(use.tag)
            elif facts["Id"] not in taken:
                added_bytes = max(0, int(facts["Size"]) - use.below_bytes)
                kept.append(KeptImage(use.tag, use.at, added_bytes))
        for tag in to_evict(kept, self._rules, time.time()):
            await self._remove(tag)

    async def _remove(self, tag: str) -> None:
        """Without force: the engine refuses where a container has come meanwhile."""
        try:
            await self._engine.call(lambda client: client.remove_image(tag))
        except EngineRefused as refusal:
            log.info("the image %s stays: %s", tag, refusal)
            return
        self._uses.forget(tag)
        log.info("the image %s was removed: it was not used for long, or there were too many", tag)
