"""Keeps the images that a gateway made within bounds."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from .engine import Engine, EngineRefused
from .image_names import BELOW_LABEL
from .image_uses import ImageUses, KeepRules, KeptImage, to_evict

log = logging.getLogger(__name__)


class ImageKeeper:
    """Looks at the images that are marked in `uses`: others are somebody else's."""

    def __init__(self, engine: Engine, uses: ImageUses, rules: KeepRules) -> None:
        self._engine = engine
        self._uses = uses
        self._rules = rules

    async def note(self, tag: str) -> None:
        """It is used now."""
        await asyncio.to_thread(self._uses.note, tag)

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
        for tag, used_at in (await asyncio.to_thread(self._uses.read)).items():
            facts = await self._engine.inspect_image(tag)
            if facts is None:
                self._uses.forget(tag)
            elif facts["Id"] not in taken:
                kept.append(KeptImage(tag, used_at, added_bytes(facts)))
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


def added_bytes(facts: dict[str, Any]) -> int:
    """What an image has beyond the one that it was made from, as far as its labels say."""
    labels = (facts.get("Config") or {}).get("Labels") or {}
    below = str(labels.get(BELOW_LABEL, ""))
    return max(0, int(facts["Size"]) - (int(below) if below.isdecimal() else 0))
