"""Keeps users' caches within their limits, and the disk from being filled through them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from ..api import EndReason
from . import cache_folder
from .cache_eviction import CacheEntry, oldest, protected_since, too_much, who_fills
from .leases import LeaseKeeper
from .live_session import LiveSession

_log = logging.getLogger(__name__)

LOOK_EVERY_S = 600.0
GUARD_EVERY_S = 10.0
WORSE_BYTES = 16 << 20
"""A disk that is full, and stays as it is, is not looked through again."""


class CacheKeeper:
    """Of one gateway. What blocks runs in threads; one look at a time."""

    def __init__(
        self,
        caches: Path,
        keeper: LeaseKeeper,
        *,
        cache_bytes: int,
        min_free_bytes: int,
        free_bytes: Callable[[Path], int] = cache_folder.free_bytes,
    ) -> None:
        self._caches = caches
        self._keeper = keeper
        self._cache_bytes = cache_bytes
        self._min_free_bytes = min_free_bytes
        self._free_bytes = free_bytes
        self._sizes: dict[str, int] = {}
        self._looking = asyncio.Lock()
        self._looked_at_free: int | None = None
        self._before: dict[str, int] = {}
        """What caches had when the disk began to be too full, so that who fills it slowly is found, too."""

    async def look(self) -> None:
        """Brings every cache within its limit; to be called regularly."""
        await asyncio.to_thread(cache_folder.empty_trash, self._caches)
        for owner in await asyncio.to_thread(cache_folder.owners, self._caches):
            await self.tidy(owner)

    async def tidy(self, owner: str) -> None:
        """The same for one; after the end of a lease of hers, which had protected what it may have used."""
        async with self._looking:
            cache = self._caches / owner
            use = await asyncio.to_thread(cache_folder.look, cache)
            going = too_much(use.entries, use.total_bytes, self._cache_bytes, self._since(owner))
            freed = await self._remove([(cache, entry) for entry in going])
            self._sizes[owner] = use.total_bytes - freed

    async def guard(self) -> None:
        """Where the disk is nearly full: empties caches, and ends the leases of whoever fills hers meanwhile."""
        free = self._free_bytes(self._caches) if self._caches.is_dir() else self._min_free_bytes
        if free >= self._min_free_bytes:
            self._looked_at_free, self._before = None, {}
            return
        if self._looked_at_free is not None and free > self._looked_at_free - WORSE_BYTES:
            return  # as full as it was when nothing could be done
        async with self._looking:
            self._before = self._before or dict(self._sizes)
            need = self._min_free_bytes - free
            freed = await self._free(need)
            if self._free_bytes(self._caches) >= self._min_free_bytes:
                return
            running = {str(live.owner) for live in self._running()}
            found = who_fills(self._before, self._sizes, running)
            self._before = {**self._sizes, **self._before} if found is None else {}
            self._looked_at_free = self._free_bytes(self._caches) if found is None else None
        _log.warning("the disk is nearly full: %d bytes of caches were removed, %d were needed", freed, need)
        if found is not None:
            await self._end_leases(*found)
            await self.tidy(found[0])

    async def _free(self, need_bytes: int) -> int:
        """Removes the longest unused of all caches; returns how many bytes, and notes what caches have."""
        candidates: list[tuple[Path, CacheEntry]] = []
        for owner in await asyncio.to_thread(cache_folder.owners, self._caches):
            use = await asyncio.to_thread(cache_folder.look, self._caches / owner)
            self._sizes[owner] = use.total_bytes
            free = oldest(use.entries, use.total_bytes, self._since(owner))
            candidates += ((self._caches / owner, entry) for entry in free)
        chosen = []
        for one in sorted(candidates, key=lambda one: one[1].last_used):
            if need_bytes <= 0:
                break
            chosen.append(one)
            need_bytes -= one[1].size_bytes
        return await self._remove(chosen)

    async def _remove(self, going: list[tuple[Path, CacheEntry]]) -> int:
        freed = 0
        for cache, entry in going:
            if await asyncio.to_thread(cache_folder.remove, cache, entry):
                freed += entry.size_bytes
        if going:
            _log.info("removed %d entries of caches, %d bytes", len(going), freed)
        return freed

    async def _end_leases(self, owner: str, growth: int) -> None:
        detail = (
            f"the gateway's disk is nearly full, and the cache of your sessions grew by {growth / 1e9:.1f} GB: "
            "clear up /cache (XDG_CACHE_HOME), or ask your operator for room"
        )
        for live in [live for live in self._running() if live.owner == owner]:
            _log.warning("session %s is ended: %s", live.session.id, detail)
            await self._keeper.end(live, EndReason.STOPPED, detail)

    def _running(self) -> list[LiveSession]:
        return [live for live in self._keeper.live.values() if live.lease is not None and not live.ending]

    def _since(self, owner: str) -> float:
        starts = [
            live.lease.created_at.timestamp()
            for live in self._keeper.live.values()
            if live.owner == owner and live.lease is not None
        ]
        return min(protected_since(starts), time.time())
