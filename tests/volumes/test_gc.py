"""Garbage collection: what goes, what stays, and commits that are under way meanwhile."""

from __future__ import annotations

import pytest
from obstore.store import MemoryStore

from farcell.volumes import Blobs, BucketStore, Collector, Note, OwnerKeys, Store, Tree, Upload, Volume, check
from farcell.volumes.blobs import PACKS
from farcell.volumes.errors import Collected, RefMoved
from farcell.volumes.ids import Kind

from .faulty_store import Crash, FaultyStore, Plan
from .small_trees import Files, edits_to, files_of

NOTE = Note("somebody")
NO_GRACE_S = -10.0
OLD, NEW = b"old" * 5000, b"new" * 5000


def put(blobs: Blobs, volume: Volume, before: Files, after: Files) -> None:
    head = volume.head()
    with Upload(blobs) as upload:
        tree = volume.tree(head.commit).update(upload, edits_to(upload, before, after))
        volume.commit(upload, head, tree, NOTE)


def packs(store: Store) -> set[str]:
    return {one.key for one in store.list(PACKS)}


def collect(blobs: Blobs, times: int = 2) -> None:
    """Whole passes of another process."""
    for _ in range(times):
        Collector(Blobs.open(blobs.store, blobs.keys), NO_GRACE_S).run()


@pytest.fixture
def volume(blobs: Blobs) -> Volume:
    """The newest of three versions has one file; the one before had another, too."""
    volume = Volume.create(blobs, "v", NOTE)
    put(blobs, volume, {}, {b"old": OLD})
    put(blobs, volume, {b"old": OLD}, {b"new": NEW})
    return volume


def test_what_the_log_has_stays(blobs, volume):
    collect(blobs, 3)
    fresh = Volume(Blobs.open(blobs.store, blobs.keys), "v")
    assert [one.number for one in fresh.log()] == [3, 2, 1]
    assert check(blobs).is_whole


def test_what_only_thinned_commits_had_goes_after_the_grace(blobs, volume):
    volume.thin([1, 2])
    before = packs(blobs.store)
    assert Collector(blobs, NO_GRACE_S).run().condemned_packs > 0
    assert before <= packs(blobs.store)
    assert Collector(blobs, grace_s=3600).run().removed_packs == 0
    done = Collector(blobs, NO_GRACE_S).run()
    assert done.removed_packs > 0
    assert done.removed_bytes > 0
    assert not before <= packs(blobs.store)
    assert files_of(Blobs.open(blobs.store, blobs.keys), volume) == {b"new": NEW}
    assert check(blobs).is_whole


def test_nothing_is_condemned_that_is_younger_than_the_grace(blobs, volume):
    volume.thin([1, 2])
    assert Collector(blobs, grace_s=3600).run().condemned_packs == 0


def test_a_removed_volume_leaves_nothing_but_the_index(blobs, volume):
    volume.remove()
    collect(blobs, 3)
    assert packs(blobs.store) == set()
    assert len(Blobs.open(blobs.store, blobs.keys).index) == 0


def test_two_volumes_share_what_both_need(blobs, volume):
    fork = volume.fork("f", NOTE)
    volume.remove()
    collect(blobs, 3)
    assert files_of(Blobs.open(blobs.store, blobs.keys), fork) == {b"new": NEW}
    assert check(blobs).is_whole


def begin(blobs: Blobs, volume: Volume, files: Files) -> tuple[Upload, Tree]:
    upload = Upload(blobs)
    tree = volume.tree(volume.head().commit).update(upload, edits_to(upload, {b"new": NEW}, files))
    upload.flush()
    return upload, tree


def test_a_commit_refers_to_nothing_that_was_condemned_before_it_moved_its_head(keys, blobs, volume):
    """It found a chunk in the store that no commit had any more."""
    volume.thin([1, 2])
    writer = Blobs.open(blobs.store, keys)
    upload, tree = begin(writer, volume, {b"again": OLD})
    with upload:
        collect(blobs, 1)
        Volume(writer, "v").commit(upload, volume.head(), tree, NOTE)
    collect(blobs)
    assert files_of(Blobs.open(blobs.store, keys), volume) == {b"again": OLD}
    assert check(blobs).is_whole


def test_a_commit_whose_uploads_were_removed_is_refused(keys, blobs, volume):
    writer = Blobs.open(blobs.store, keys)
    head = volume.head()
    upload, tree = begin(writer, volume, {b"late": b"late" * 5000})
    with upload:
        collect(blobs)
        with pytest.raises(Collected):
            Volume(writer, "v").commit(upload, head, tree, NOTE)
    assert volume.head().commit == head.commit
    assert check(blobs).is_whole


def test_so_is_one_that_was_removed_after_it_looked_and_before_it_moved_the_head(keys, blobs, volume):
    plan = Plan()
    writer = Blobs.open(FaultyStore(blobs.store, plan), keys)
    head = volume.head()
    upload, tree = begin(writer, volume, {b"late": b"late" * 5000})

    def in_between(key: str) -> None:
        plan.before_move = lambda _: None
        collect(blobs)

    plan.before_move = in_between
    with upload, pytest.raises(Collected):
        Volume(writer, "v").commit(upload, head, tree, NOTE)
    assert volume.head().commit == head.commit
    assert check(blobs).is_whole


def test_a_pack_of_which_little_is_needed_is_copied_from(blobs, volume):
    many = {b"%d" % number: b"%d" % number * 9000 for number in range(20)}
    put(blobs, volume, {b"new": NEW}, {b"new": NEW, **many})
    put(blobs, volume, {b"new": NEW, **many}, {b"3": many[b"3"]})
    volume.thin(range(1, volume.head().number))
    assert Collector(blobs, NO_GRACE_S).run().copied_bytes > 0
    collect(blobs)
    fresh = Blobs.open(blobs.store, blobs.keys)
    assert files_of(fresh, volume) == {b"3": many[b"3"]}
    assert fresh.index.find(fresh.keys.id_of(Kind.CHUNK, many[b"7"])) is None
    assert check(fresh).is_whole


def test_two_passes_at_once_do_not_both_remove(keys):
    memory, plan = MemoryStore(), Plan()
    blobs = Blobs.open(BucketStore(memory), keys)
    volume = Volume.create(blobs, "v", NOTE)
    put(blobs, volume, {}, {b"old": OLD})
    put(blobs, volume, {b"old": OLD}, {b"new": NEW})
    volume.thin([1, 2])
    collect(blobs, 1)

    def in_between(key: str) -> None:
        if key == "collection":
            plan.before_move = lambda _: None
            collect(blobs, 1)

    plan.before_move = in_between
    with pytest.raises(RefMoved):
        Collector(Blobs.open(FaultyStore(BucketStore(memory), plan), keys), NO_GRACE_S).run()
    assert files_of(Blobs.open(BucketStore(memory), keys), volume) == {b"new": NEW}
    assert check(blobs).is_whole


def test_a_pass_that_died_anywhere_is_gone_on_with(keys):
    """The crash comes at each operation in turn, until none is left to crash at."""
    crash: int | None = 1
    while crash is not None:
        memory = MemoryStore()
        blobs = Blobs.open(BucketStore(memory), keys)
        volume = Volume.create(blobs, "v", NOTE)
        put(blobs, volume, {}, {b"old": OLD})
        put(blobs, volume, {b"old": OLD}, {b"new": NEW})
        volume.thin([1, 2])
        collect(blobs, 1)
        crash = crash + 1 if dies(memory, keys, crash) else None
        collect(blobs)
        fresh = Blobs.open(BucketStore(memory), keys)
        assert files_of(fresh, volume) == {b"new": NEW}
        assert check(fresh).is_whole
        assert fresh.collection.doomed == frozenset()


def dies(memory: MemoryStore, keys: OwnerKeys, crash: int) -> bool:
    store = FaultyStore(BucketStore(memory), Plan(crash_at=crash))
    try:
        Collector(Blobs.open(store, keys), NO_GRACE_S).run()
    except Crash:
        return True
    return False
