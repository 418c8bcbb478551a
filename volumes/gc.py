"""Garbage collection: two passes, a grace period apart; `collection.py` says why they are safe beside commits.

A pack goes when nothing in it is needed. One that is needed by less than half is copied from, and goes the next time.
Whatever stops a pass, the next one goes on; where a needed blob can't be read nothing is removed at all.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection as Container
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from .blobs import PACKS, Blobs
from .collection import COLLECTION_REF, Collection, read_collection
from .commits import Head
from .errors import Damaged
from .index import Location, Table
from .pack import live_bytes, pack_key, pack_name
from .reachable import Marks, Reachable, read_heads
from .store import Ref
from .uploads import Upload
from .volume import Volume

GRACE_S: Final = 24 * 3600
"""Longer than any upload: one that takes longer is copied out of the way when it commits."""
_WORTH_COPYING: Final = 0.5
_WRITING_S: Final = 3600
"""No single object is being written for longer, whatever grace is given."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a pass did."""

    removed_packs: int = 0
    removed_bytes: int = 0
    condemned_packs: int = 0
    copied_bytes: int = 0


class Collector:
    """One pass at a time: where two meet, one of them gives up with `RefMoved`."""

    def __init__(self, blobs: Blobs, grace_s: float = GRACE_S) -> None:
        self._blobs = blobs
        self._store = blobs.store
        self._grace_s = grace_s

    def run(self) -> Collected:
        """Removes what was condemned a grace period ago and still isn't needed, then condemns what isn't now."""
        now = self._store.now()
        self._store.tidy(now - max(self._grace_s, _WRITING_S))
        removed = self._remove(now)
        condemned, copied_bytes = self._condemn(now)
        return replace(removed, condemned_packs=condemned, copied_bytes=copied_bytes)

    def _remove(self, now: float) -> Collected:
        collection, ref = read_collection(self._store)
        due = {name for name, since in collection.condemned.items() if since <= now - self._grace_s}
        if not due and not collection.doomed:
            return Collected()
        collection = replace(collection, epoch=collection.epoch + 1)
        ref = self._move(collection, ref)
        heads = self._move_heads(collection.epoch)
        self._blobs.refresh()
        doomed = collection.doomed | (due - self._needed(heads, collection.doomed))
        kept = {
            name: since for name, since in collection.condemned.items() if name in doomed or name not in due
        }
        collection = replace(collection, condemned=kept, doomed=frozenset(doomed))
        ref = self._move(collection, ref)
        removed = self._remove_packs(doomed)
        kept = {name: since for name, since in kept.items() if name not in doomed}
        self._move(replace(collection, condemned=kept, doomed=frozenset()), ref)
        return removed

    def _remove_packs(self, doomed: Container[str]) -> Collected:
        sizes = {pack_name(one.key): one.size_bytes for one in self._store.list(PACKS)}
        for name in doomed:
            self._store.delete(pack_key(name))
        self._blobs.refresh()
        self._blobs.rewrite_tables()
        there = [sizes[name] for name in doomed if name in sizes]
        return Collected(removed_packs=len(there), removed_bytes=sum(there))

    def _move_heads(self, epoch: int) -> list[Head]:
        """From here on every commit that began before fails, and looks again at what is condemned."""
        moved = [Volume(self._blobs, head.volume).move_epoch(epoch) for head in read_heads(self._store)]
        return [head for head in moved if head is not None]

    def _needed(self, heads: Iterable[Head], doomed: Container[str]) -> set[str]:
        """Packs with something that is needed and does not lie in a better one; the index was read after the heads."""
        index = self._blobs.index
        table = index.whole(index.packs - set(doomed))
        marks = Marks(table)
        packs: set[str] = set()
        for needed in Reachable(self._blobs, marks).walk(heads):
            packs.add(_best(table, needed.id, index.condemned).pack)
        return packs

    def _condemn(self, now: float) -> tuple[int, int]:
        collection, ref = read_collection(self._store)
        heads = list(read_heads(self._store))
        self._blobs.refresh()  # after the heads: it has all that they need
        index = self._blobs.index
        table = index.whole(index.packs - collection.doomed)
        live: Counter[str] = Counter()
        marks = Marks(table)
        for needed in Reachable(self._blobs, marks).walk(heads):
            found = _best(table, needed.id, index.condemned)
            live[found.pack] += found.entry.stored_bytes
        old = {
            pack_name(one.key): one
            for one in self._store.list(PACKS)
            if one.modified_at < now - self._grace_s and pack_name(one.key) in index.packs
        }
        going = {name for name in old.keys() - index.condemned if not live[name]}
        sparse = {
            name
            for name in old.keys() - index.condemned - going
            if live[name] < _WORTH_COPYING * live_bytes(self._blobs.pack_entries(old[name]))
        }
        copied_bytes = self._copy(table, marks, sparse)
        going |= sparse
        if going:
            condemned = {**collection.condemned, **dict.fromkeys(going, now)}
            self._move(replace(collection, condemned=condemned), ref)
        return len(going), copied_bytes

    def _copy(self, table: Table, marks: Marks, packs: Container[str]) -> int:
        """What is needed of sparse packs, into new ones."""
        if not packs:
            return 0
        with Upload(self._blobs) as upload:
            for found in table.locations():
                if found.pack in packs and found.entry.id in marks:
                    key, entry = pack_key(found.pack), found.entry
                    stored = self._store.get_range(key, entry.offset, entry.stored_bytes)
                    self._blobs.open_blob(entry, stored)
                    upload.copy(entry, stored)
            upload.flush()
            return upload.stored_bytes

    def _move(self, collection: Collection, ref: Ref | None) -> Ref:
        return self._store.move_ref(COLLECTION_REF, collection.encode(secrets.token_hex(8)), ref)


def _best(table: Table, blob: bytes, condemned: Container[str]) -> Location:
    """Where a blob is kept that lies in several packs; every pass chooses alike."""
    found = [table.at(row) for row in table.find(blob)]
    if not found:
        raise Damaged(
            f"the store lacks blob {blob.hex()}, which a volume needs: nothing was removed", id=blob.hex()
        )
    return min(found, key=lambda one: (one.pack in condemned, one.pack))
