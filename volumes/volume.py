"""A volume: its head, its history, and how a new version comes to be its head."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, TypedDict

from .blobs import Blobs
from .chunker import ChunkerSpec
from .collection import read_collection
from .commits import (
    Commit,
    Head,
    LogEntry,
    decode_log_entry,
    encode_commit,
    encode_log_entry,
    log_key,
    log_number,
    read_commit,
)
from .contents import blobs_of
from .entries import EntryKind, decode_entry, is_inside, key_of, path_of
from .errors import (
    BadName,
    Damaged,
    HeadMoved,
    NoSuchCommit,
    NoSuchPath,
    NoSuchVolume,
    RefMoved,
    StoreUnavailable,
    VolumeExists,
)
from .ids import BlobId, Kind
from .merge import Conflict, merge
from .nodes import NodeReader
from .paths import shown
from .store import Ref
from .trees import Difference, Edit, Tree, empty_tree
from .uploads import Upload

VOLUMES: Final = "volumes/"
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_ATTEMPTS: Final = 50
"""To move a head: each that fails has let another's commit through."""
_NAME_DIGITS: Final = 8
"""Of a commit's id, in the names of conflicts."""


@dataclass(frozen=True, slots=True)
class Note:
    """What is written beside a commit; a message keeps it from being thinned out."""

    author: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Committed:
    """What came of a commit: the head then, which of its files are under other names."""

    head: Head
    conflicts: Sequence[Conflict] = ()


@dataclass(frozen=True, slots=True)
class Logged:
    """A commit in a volume's log."""

    number: int
    entry: LogEntry


class Volume:
    """One volume of an owner's. It keeps nothing that could be stale: each call reads the head that it needs."""

    def __init__(self, blobs: Blobs, volume_id: str) -> None:
        if not _ID.fullmatch(volume_id):
            raise BadName(f"{volume_id!r} is no volume's id: lower-case letters, digits and -, at most 63")
        self.id = volume_id
        self._blobs = blobs
        self._ref = VOLUMES + volume_id
        self.nodes = NodeReader(blobs)

    @classmethod
    def create(cls, blobs: Blobs, volume_id: str, note: Note, chunker: ChunkerSpec | None = None) -> Volume:
        """A volume with one empty version; raises `VolumeExists`."""
        volume = cls(blobs, volume_id)
        with Upload(blobs) as upload:
            volume._begin(upload, empty_tree(volume.nodes, upload), note, chunker or ChunkerSpec(), "")
        return volume

    def fork(self, volume_id: str, note: Note) -> Volume:
        """A new volume of the same owner's that begins with this one's newest version; nothing is copied."""
        fork = Volume(self._blobs, volume_id)
        while True:
            epoch = read_collection(self._blobs.store)[0].epoch
            head = self.head()
            with Upload(self._blobs) as upload:
                fork._begin(
                    upload, self.tree(head.commit), note, head.chunker, f"{self.id}@{head.commit.hex()}"
                )
            if read_collection(self._blobs.store)[0].epoch == epoch:
                return fork
            fork.remove()  # what it refers to may have been removed before it was there to be seen

    def head(self) -> Head:
        """The newest; raises `NoSuchVolume`."""
        return self._read()[0]

    def remove(self) -> None:
        """All versions of it; their room comes back with garbage collection. Silent when it is gone."""
        self._blobs.store.delete(self._ref)

    def tree(self, commit: BlobId) -> Tree:
        """Raises `NoSuchCommit` for one that is not this volume's."""
        return Tree(self.nodes, self._commit(commit).root)

    def log(self, head: Head | None = None) -> Iterator[Logged]:
        """The newest first."""
        for leaf in Tree(self.nodes, (head or self.head()).log).backwards():
            yield Logged(log_number(leaf.key), decode_log_entry(leaf.value))

    def diff(self, before: BlobId, after: BlobId) -> Iterator[Difference]:
        """Keys and entries, as `entries.py` has them."""
        return self.tree(before).differences(self.tree(after))

    def restored(self, upload: Upload, commit: BlobId, path: bytes = b"") -> tuple[Head, Tree]:
        """The newest head, and a version of it in which a path is as it was then; `commit` makes a head of it."""
        head = self.head()
        now, then = self.tree(head.commit), self.tree(commit)
        key = key_of(path)
        if path and now.get(key) is None and then.get(key) is None:
            raise NoSuchPath(f"neither this version nor the newest has {shown(path)}")
        edits = self._ancestors(now, then, key)
        for difference in now.differences(then):
            if difference.key == key or is_inside(difference.key, key):
                edits.append(self._kept(upload, difference))
        return head, now.update(upload, edits)

    def commit(self, upload: Upload, base: Head, tree: Tree, note: Note) -> Committed:
        """Makes a version the head that was made from `base`; merges it where the head has moved on.

        Nothing new and no message: the head stays as it is. Raises `HeadMoved`, `NoSuchVolume`, `Collected`.
        """
        own: BlobId | None = None
        conflicts: Sequence[Conflict]
        for _ in range(_ATTEMPTS):
            head, ref = self._read()
            newest = self.tree(head.commit)
            if head.commit == base.commit:
                version, conflicts = tree, ()
                parents: tuple[BlobId, ...] = (head.commit,)
            else:
                own = own or self._write(
                    upload, Commit(**self._facts(note), parents=(base.commit,), root=tree.root)
                )
                version, conflicts = self._merge(upload, base, newest, tree, own)
                parents = (head.commit, own)
            if version.root == newest.root and not note.message:
                return Committed(head, conflicts)
            commit = Commit(**self._facts(note), parents=parents, root=version.root)
            following = self._followed(upload, head, commit)
            upload.confirm()
            try:
                self._blobs.store.move_ref(self._ref, following.encode(), ref)
            except RefMoved:
                continue
            with suppress(StoreUnavailable):  # the commit is done, and others will write them
                self._blobs.write_tables()
            return Committed(following, conflicts)
        raise HeadMoved(f"others kept committing to volume {self.id}: try again")

    def thin(self, numbers: Collection[int]) -> Head:
        """Takes commits out of the log, but never the newest; their room comes back with garbage collection."""
        while True:
            head, ref = self._read()
            gone = [Edit(log_key(number), None) for number in sorted(set(numbers) - {head.number})]
            with Upload(self._blobs) as upload:
                log = Tree(self.nodes, head.log).update(upload, gone)
                following = replace(head, log=log.root)
                upload.confirm()
            try:
                self._blobs.store.move_ref(self._ref, following.encode(), ref)
            except RefMoved:
                continue
            return following

    def move_epoch(self, epoch: int) -> Head | None:
        """Makes every commit that is under way look again at what is condemned; None: the volume is gone."""
        while True:
            try:
                head, ref = self._read()
                following = replace(head, epoch=epoch)
                self._blobs.store.move_ref(self._ref, following.encode(), ref)
            except RefMoved:
                continue
            except NoSuchVolume:
                return None
            return following

    def _read(self) -> tuple[Head, Ref]:
        ref = self._blobs.store.read_ref(self._ref)
        if ref is None:
            raise NoSuchVolume(f"there is no volume {self.id}", volume=self.id)
        return Head.decode(ref.value), ref

    def _commit(self, commit: BlobId) -> Commit:
        try:
            return read_commit(self._blobs, commit, self.id)
        except Damaged as error:
            raise NoSuchCommit(f"volume {self.id} has no commit {commit.hex()} any more") from error

    def _begin(self, upload: Upload, tree: Tree, note: Note, chunker: ChunkerSpec, origin: str) -> None:
        epoch = self._blobs.collection.epoch
        start = Head(self.id, 0, BlobId(b""), empty_tree(self.nodes, upload).root, epoch, chunker)
        commit = Commit(**self._facts(note), parents=(), root=tree.root, origin=origin)
        head = self._followed(upload, start, commit)
        upload.confirm()
        try:
            self._blobs.store.move_ref(self._ref, head.encode(), None)
        except RefMoved as error:
            raise VolumeExists(f"there is a volume {self.id} already", volume=self.id) from error

    def _facts(self, note: Note) -> _Facts:
        return {"volume": self.id, "made_ns": time.time_ns(), "author": note.author, "message": note.message}

    def _followed(self, upload: Upload, head: Head, commit: Commit) -> Head:
        """The head that a commit makes, with its log."""
        blob = self._write(upload, commit)
        entry = LogEntry(blob, commit.made_ns, commit.author, commit.message)
        number = head.number + 1
        log = Tree(self.nodes, head.log).update(upload, [Edit(log_key(number), encode_log_entry(entry))])
        return replace(head, number=number, commit=blob, log=log.root)

    def _write(self, upload: Upload, commit: Commit) -> BlobId:
        return upload.add(Kind.COMMIT, encode_commit(commit))

    def _merge(
        self, upload: Upload, base: Head, newest: Tree, tree: Tree, own: BlobId
    ) -> tuple[Tree, Sequence[Conflict]]:
        upload.flush()
        try:
            common = self.tree(base.commit)
            theirs = {one.key: one for one in common.differences(newest)}
            ours = {one.key: one for one in common.differences(tree)}
        except (
            NoSuchCommit,
            Damaged,
        ):  # thinned out and collected: nothing is known to be common, and all is kept
            common = empty_tree(self.nodes, upload)
            theirs = {one.key: one for one in common.differences(newest)}
            ours = {one.key: one for one in common.differences(tree)}
        merged = merge(newest, theirs, ours, own.hex()[:_NAME_DIGITS])
        return newest.update(upload, merged.edits), merged.conflicts

    def _ancestors(self, now: Tree, then: Tree, key: bytes) -> list[Edit]:
        """The folders on the way to what is restored, where the newest version lacks them."""
        edits = []
        names = key.split(b"\0")
        for depth in range(1, len(names)):
            folder = b"\0".join(names[:depth])
            found, before = now.get(folder), then.get(folder)
            if found is not None and decode_entry(found).kind is not EntryKind.FOLDER:
                raise BadName(
                    f"{shown(path_of(folder))} is no folder in the newest version: restore that path"
                )
            if found is None and before is not None:
                edits.append(Edit(folder, before))
        return edits

    def _kept(self, upload: Upload, difference: Difference) -> Edit:
        """Makes an old version's entry part of a new one."""
        if difference.after is None:
            return Edit(difference.key, None)
        entry = decode_entry(difference.after)
        for blob, kind in blobs_of(self._blobs, entry):
            upload.rely(blob, kind)
        return Edit(difference.key, difference.after, entry.size_bytes)


class _Facts(TypedDict):
    """What all commits of one call have."""

    volume: str
    made_ns: int
    author: str
    message: str
