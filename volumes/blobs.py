"""An owner's blobs in a store: opened with the index in memory, read by their ids, every one checked."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from .collection import Collection, read_collection
from .compression import decompress
from .errors import Damaged, ObjectMissing
from .ids import BlobId, Kind, OwnerKeys
from .index import Index, Location, Table, merge_tables
from .pack import (
    ENTRY_BYTES,
    TAIL_BYTES,
    PackEntry,
    index_bytes,
    new_pack_name,
    pack_key,
    pack_name,
    parse_index,
)
from .store import Store, Stored

PACKS: Final = "packs/"
TABLES: Final = "index/"
_GUESS_BYTES: Final = 200 * ENTRY_BYTES + TAIL_BYTES
"""Read from a pack's end at first: most small packs have fewer blobs."""
_READERS: Final = 12
"""Requests at a time for the ends of packs."""
_MANY_PACKS: Final = 64
"""So many packs that no table has make a new table."""
_ATTEMPTS: Final = 2


class Blobs:
    """What an owner has in a store; one object may serve several threads that read."""

    def __init__(self, store: Store, keys: OwnerKeys) -> None:
        self.store = store
        self.keys = keys
        self.index = Index()
        self.collection = Collection()
        """The state of garbage collection that the index was read after."""
        self._untabled = 0
        self._lock = threading.Lock()

    @classmethod
    def open(cls, store: Store, keys: OwnerKeys) -> Blobs:
        blobs = cls(store, keys)
        blobs.refresh()
        return blobs

    def refresh(self, *, from_tables: bool = True) -> None:
        """Learns of packs that others wrote or removed; cheap when there are none.

        The state of collection is read first: what is removed after it has another epoch.
        """
        with self._lock:
            self.collection = read_collection(self.store)[0]
            stored = {pack_name(one.key): one for one in self.store.list(PACKS)}
            self.index.forget(self.index.packs - stored.keys())
            self.index.condemned = frozenset(self.collection.condemned)
            if from_tables and stored.keys() - self.index.packs:
                self._load_tables(stored.keys())
                self._load_packs(one for name, one in stored.items() if name not in self.index.packs)

    def note_collection(self, collection: Collection) -> None:
        """A newer state, in which no more packs are gone than before."""
        self.collection = collection
        self.index.condemned = frozenset(collection.condemned)

    def read(self, blob: BlobId, kind: Kind) -> bytes:
        """Its bytes, checked; raises `Damaged`, also where the store has no such blob."""
        failure: Exception | None = None
        for attempt in range(_ATTEMPTS):
            if attempt:
                self.refresh()
            for found in self.index.all(blob):
                if found.entry.kind != kind:  # a chunk may hold what looks like a node
                    continue
                try:
                    return self._fetch(found)
                except (Damaged, ObjectMissing) as error:
                    failure = error
        name = kind.name.lower()
        raise Damaged(f"the store has no whole {name} {blob.hex()}", id=blob.hex(), kind=name) from failure

    def open_blob(self, entry: PackEntry, stored: bytes) -> bytes:
        """A blob's bytes from what its pack has of it; raises `Damaged`."""
        data = decompress(entry.codec, stored, entry.size_bytes)
        if entry.kind not in self.keys.of_kind or self.keys.id_of(Kind(entry.kind), data) != entry.id:
            raise Damaged(f"blob {entry.id.hex()} is not what was written", id=entry.id.hex())
        return data

    def write_tables(self) -> None:
        """Gathers the ends of packs that no table has yet, when there are many."""
        if self._untabled >= _MANY_PACKS:
            tabled = {name for _, table in self._stored_tables() for name in table.packs}
            self._put_table(self.index.whole(self.index.packs - tabled))
            self._untabled = 0

    def rewrite_tables(self) -> None:
        """One table for everything in place of all there are; for who just removed packs."""
        old = [one.key for one in self.store.list(TABLES)]
        self._put_table(self.index.whole(self.index.packs))
        for key in old:
            self.store.delete(key)
        self._untabled = 0

    def wrote_pack(self, name: str, entries: Iterable[PackEntry]) -> None:
        with self._lock:
            self.index.add_pack(name, entries)
            self._untabled += 1

    def pack_entries(self, pack: Stored) -> list[PackEntry]:
        """As the pack's own end says; raises `Damaged`."""
        if pack.size_bytes < TAIL_BYTES:
            raise Damaged(f"pack {pack.key} is torn", pack=pack.key)
        size = min(pack.size_bytes, _GUESS_BYTES)
        end = self.store.get_range(pack.key, pack.size_bytes - size, size)
        needed = index_bytes(end[-TAIL_BYTES:])
        if needed > pack.size_bytes:
            raise Damaged(f"pack {pack.key} is shorter than its index", pack=pack.key)
        if needed > size:
            end = self.store.get_range(pack.key, pack.size_bytes - needed, needed)
        return parse_index(end[-needed:], pack.size_bytes, self.keys)

    def _fetch(self, found: Location) -> bytes:
        entry = found.entry
        stored = self.store.get_range(pack_key(found.pack), entry.offset, entry.stored_bytes)
        return self.open_blob(entry, stored)

    def _put_table(self, table: Table) -> None:
        self.store.put(f"{TABLES}{new_pack_name()}", [table.encode(self.keys)])

    def _stored_tables(self) -> Iterator[tuple[str, Table]]:
        """Tables are copies: a damaged one, or one that was just replaced, is passed over."""
        for one in self.store.list(TABLES):
            try:
                yield one.key, Table.decode(self.store.get(one.key), self.keys)
            except (ObjectMissing, Damaged):
                continue

    def _load_tables(self, packs: Iterable[str]) -> None:
        there = set(packs)
        for _, table in self._stored_tables():
            known = self.index.packs.intersection(table.packs)
            if known or not there.issuperset(table.packs):
                table = merge_tables([table], there - known)  # noqa: PLW2901 - the part of it that is news
            self.index.add_table(table)

    def _load_packs(self, packs: Iterable[Stored]) -> None:
        with ThreadPoolExecutor(_READERS, "farcell-index") as pool:
            for pack, entries in pool.map(self._try_pack, packs):
                if entries is not None:
                    self.index.add_pack(pack_name(pack.key), entries)
                    self._untabled += 1

    def _try_pack(self, pack: Stored) -> tuple[Stored, list[PackEntry] | None]:
        """A pack that is damaged, or gone since it was listed, has no blobs; `check` names it."""
        try:
            return pack, self.pack_entries(pack)
        except (Damaged, ObjectMissing):
            return pack, None
