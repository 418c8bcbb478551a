"""Stores that answer 500, 503, half a body, or are full, while a commit is made: it is there whole or not at all."""

from __future__ import annotations

import pytest

from farcell.volumes import Blobs, Note, Tree, Upload, Volume, check
from farcell.volumes.errors import Damaged, StoreFull, StoreUnavailable

from .faulty_store import Crash, FaultyStore, Plan
from .small_trees import edits_to, files_in, files_of
from .test_volume import put

OLD, NEW = {b"a": b"old" * 500, b"b": b"same" * 500}, {b"a": b"new" * 500, b"b": b"same" * 500}


@pytest.fixture
def volume(blobs: Blobs) -> Volume:
    volume = Volume.create(blobs, "v", Note("somebody"))
    put(blobs, volume, {}, OLD)
    return volume


def commit_through(blobs: Blobs, volume: Volume, plan: Plan) -> None:
    faulty = Blobs.open(FaultyStore(blobs.store, plan), blobs.keys)
    put(faulty, Volume(faulty, volume.id), OLD, NEW)


@pytest.mark.parametrize("error", [StoreUnavailable("503"), StoreFull("no room")], ids=["503", "full"])
@pytest.mark.parametrize("operation", ["put", "move", "get", "read", "list"])
def test_a_store_that_fails_fails_the_commit_and_nothing_else(blobs, volume, operation, error):
    plan = Plan(fail=lambda done, key: error if done == operation else None)
    with pytest.raises(type(error)):
        commit_through(blobs, volume, plan)
    assert files_of(blobs, volume) == OLD
    commit_through(blobs, volume, Plan())
    assert files_of(Blobs.open(blobs.store, blobs.keys), volume) == NEW


@pytest.mark.parametrize("after_it", [False, True])
def test_a_commit_that_dies_at_any_operation_is_whole_or_not_there(blobs, keys, after_it):
    crash, died = 0, True
    while died:
        crash += 1
        volume = Volume.create(blobs, f"v{crash}", Note("somebody"))
        put(blobs, volume, {}, OLD)
        try:
            commit_through(blobs, volume, Plan(crash, after_it))
        except Crash:
            pass
        else:
            died = False
        fresh = Blobs.open(blobs.store, keys)
        assert files_of(fresh, Volume(fresh, volume.id)) in (OLD, NEW)
        assert died or files_of(fresh, Volume(fresh, volume.id)) == NEW
    assert crash > 5
    assert check(blobs).is_whole


def test_half_a_body_is_read_again(blobs, volume):
    spoiled: list[str] = []

    def halve(key: str, data: bytes) -> bytes:
        if key.startswith("packs/") and key not in spoiled:
            spoiled.append(key)
            return data[: len(data) // 2]
        return data

    plan = Plan()
    faulty = Blobs.open(FaultyStore(blobs.store, plan), blobs.keys)
    plan.spoil = halve
    assert files_of(faulty, Volume(faulty, "v")) == OLD
    assert spoiled


def test_bodies_that_stay_wrong_are_damage_and_never_data(blobs, volume):
    plan = Plan()
    faulty = Blobs.open(FaultyStore(blobs.store, plan), blobs.keys)
    tree = Volume(faulty, "v").tree(volume.head().commit)
    assert tree.count == 2
    plan.spoil = lambda key, data: bytes(len(data)) if key.startswith("packs/") else data
    with pytest.raises(Damaged):
        files_in(faulty, tree)


def test_an_upload_that_failed_leaves_no_thread(blobs, volume):
    plan = Plan(fail=lambda done, key: StoreUnavailable("500") if done == "put" else None)
    faulty = Blobs.open(FaultyStore(blobs.store, plan), blobs.keys)
    tree = volume.tree(volume.head().commit)
    with Upload(faulty, target_bytes=100) as upload:
        edits = list(edits_to(upload, OLD, NEW))
        with pytest.raises(StoreUnavailable):
            _flushed(tree.update(upload, edits), upload)
    upload.close()
    assert not [one for one in (*upload._workers._threads, *upload._sender._threads) if one.is_alive()]


def _flushed(tree: Tree, upload: Upload) -> Tree:
    upload.flush()
    return tree
