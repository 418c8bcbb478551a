"""Verifies everything that an owner has: each byte of each pack, and that all that is needed is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field

from .blobs import PACKS, Blobs
from .contents import blobs_of
from .entries import Entry, decode_entry, path_of
from .errors import Damaged, NoSuchCommit, ObjectMissing
from .ids import BlobId
from .nodes import Child, NodeReader
from .pack import HEAD, pack_name
from .reachable import read_heads
from .store import Stored
from .volume import Volume


@dataclass(frozen=True, slots=True)
class Hit:
    """What of which volume can't be read; no path: the commit itself, or a part of its tree; no commit: the log."""

    volume: str
    commit: str = ""
    path: bytes = b""


@dataclass(slots=True)
class CheckReport:
    packs: int = 0
    blobs: int = 0
    bytes_read: int = 0
    damaged_packs: list[str] = field(default_factory=list)
    """Whose index can't be read: nothing in them can."""
    damaged_blobs: list[str] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return not (self.damaged_packs or self.damaged_blobs or self.hits)


def check(blobs: Blobs, tell: Callable[[CheckReport], None] = lambda _: None) -> CheckReport:
    """Reads every pack once; then, of every commit, what is missing or damaged. `tell` hears of each pack.

    The index is what the packs say, not what its tables say: to make those anew is `rebuild_index`.
    """
    report = CheckReport()
    blobs.refresh()
    bad: Counter[BlobId] = Counter()
    for pack in list(blobs.store.list(PACKS)):
        _check_pack(blobs, pack, report, bad)
        tell(report)
    lost = {blob for blob, copies in bad.items() if copies >= len(blobs.index.all(blob))}
    report.damaged_blobs = sorted(blob.hex() for blob in lost)
    search = _Search(blobs, lost)
    for head in list(read_heads(blobs.store)):
        report.hits.extend(search.volume(Volume(blobs, head.volume)))
    return report


def rebuild_index(blobs: Blobs) -> int:
    """Writes the index anew from the packs alone; how many blobs it has."""
    fresh = Blobs(blobs.store, blobs.keys)
    fresh.refresh(from_tables=False)
    fresh.rewrite_tables()
    blobs.index = fresh.index
    return len(fresh.index)


def _check_pack(blobs: Blobs, pack: Stored, report: CheckReport, bad: Counter[BlobId]) -> None:
    report.packs += 1
    report.bytes_read += pack.size_bytes
    try:
        entries = blobs.pack_entries(pack)
        data = blobs.store.get(pack.key)
    except (Damaged, ObjectMissing):
        report.damaged_packs.append(pack_name(pack.key))
        return
    if not data.startswith(HEAD):
        report.damaged_packs.append(pack_name(pack.key))
    for entry in entries:
        report.blobs += 1
        try:
            blobs.open_blob(entry, data[entry.offset : entry.end])
        except Damaged:
            bad[entry.id] += 1


class _Search:
    """Looks for what needs lost blobs; nodes that need none are looked at once, however many commits have them."""

    def __init__(self, blobs: Blobs, lost: Container[BlobId]) -> None:
        self._blobs = blobs
        self._lost = lost
        self._nodes = NodeReader(blobs)
        self._clean: set[BlobId] = set()

    def volume(self, volume: Volume) -> Iterator[Hit]:
        try:
            logged = list(volume.log())
        except Damaged:
            yield Hit(volume.id)
            return
        for one in logged:
            commit = one.entry.commit
            try:
                paths = self._paths(volume.tree(commit).root)
            except NoSuchCommit:
                paths = [b""]
            yield from (Hit(volume.id, commit.hex(), path) for path in paths)

    def _paths(self, node: BlobId) -> list[bytes]:
        """What is hit below a node; an empty path stands for entries that can't even be listed."""
        if node in self._clean:
            return []
        try:
            items = self._nodes.read(node).items
        except Damaged:
            return [b""]
        hit = []
        for item in items:
            if isinstance(item, Child):
                hit += self._paths(item.id)
            elif not self._is_whole(decode_entry(item.value)):
                hit.append(path_of(item.key))
        if not hit:
            self._clean.add(node)
        return hit

    def _is_whole(self, entry: Entry) -> bool:
        try:
            return all(
                blob not in self._lost and self._blobs.index.find(blob) is not None
                for blob, _ in blobs_of(self._blobs, entry)
            )
        except Damaged:
            return False
