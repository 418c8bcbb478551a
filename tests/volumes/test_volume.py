"""A volume's life: versions, history, restoring, forking; and whose commits are whose."""

from __future__ import annotations

import pytest

from farcell.volumes import Blobs, Note, OwnerKeys, Upload, Volume
from farcell.volumes.entries import children, decode_entry
from farcell.volumes.errors import (
    BadName,
    Damaged,
    NoSuchCommit,
    NoSuchPath,
    NoSuchVolume,
    StoreUnavailable,
    VolumeExists,
)
from farcell.volumes.ids import Kind
from farcell.volumes.nodes import Leaf, encode_node

from .faulty_store import FaultyStore, Plan
from .small_trees import Files, edits_to, files_in, files_of

NOTE = Note("somebody")


def put(blobs: Blobs, volume: Volume, before: Files, after: Files, message: str = ""):
    head = volume.head()
    with Upload(blobs) as upload:
        tree = volume.tree(head.commit).update(upload, edits_to(upload, before, after))
        return volume.commit(upload, head, tree, Note("somebody", message))


@pytest.fixture
def volume(blobs: Blobs) -> Volume:
    return Volume.create(blobs, "v", NOTE)


def test_a_new_volume_has_one_empty_version(blobs, volume):
    assert volume.head().number == 1
    assert files_of(blobs, volume) == {}
    assert [one.entry.author for one in volume.log()] == ["somebody"]


def test_what_was_committed_is_there_for_whoever_opens_it(blobs, volume):
    put(blobs, volume, {}, {b"a": b"1", b"d": None, b"d/b": b"22"})
    other = Volume(Blobs.open(blobs.store, blobs.keys), "v")
    assert files_of(blobs, other) == {b"a": b"1", b"d": None, b"d/b": b"22"}
    tree = other.tree(other.head().commit)
    assert (tree.count, tree.size_bytes) == (3, 3)
    assert [name for name, _ in children(tree, b"")] == [b"a", b"d"]
    assert [name for name, _ in children(tree, b"d")] == [b"b"]
    assert list(children(tree, b"nothing")) == []


def test_names_that_begin_alike_are_in_their_folders(blobs, volume):
    files = {b"a": None, b"a/z": b"1", b"a!": b"2", b"a\x01": b"3", b"ab": None, b"ab/c": b"4"}
    put(blobs, volume, {}, files)
    tree = volume.tree(volume.head().commit)
    assert {name for name, _ in children(tree, b"")} == {b"a", b"a!", b"a\x01", b"ab"}
    assert [name for name, _ in children(tree, b"a")] == [b"z"]


def test_a_second_volume_of_one_name_is_refused(blobs, volume):
    with pytest.raises(VolumeExists):
        Volume.create(blobs, "v", NOTE)


@pytest.mark.parametrize("name", ["", "../v", "V", "a/b", "-a", "x" * 64, "ä"])
def test_a_bad_id_is_refused(blobs, name):
    with pytest.raises(BadName):
        Volume(blobs, name)


def test_nothing_new_is_no_commit_unless_it_has_a_message(blobs, volume):
    put(blobs, volume, {}, {b"a": b"1"})
    assert put(blobs, volume, {b"a": b"1"}, {b"a": b"1"}).head.number == 2
    assert put(blobs, volume, {b"a": b"1"}, {b"a": b"1"}, "milestone").head.number == 3
    assert next(volume.log()).entry.message == "milestone"


def test_history_and_differences(blobs, volume):
    put(blobs, volume, {}, {b"a": b"1"})
    put(blobs, volume, {b"a": b"1"}, {b"a": b"2", b"b": b"3"})
    newest, before, first = list(volume.log())
    assert [one.number for one in (newest, before, first)] == [3, 2, 1]
    assert [one.key for one in volume.diff(before.entry.commit, newest.entry.commit)] == [b"a", b"b"]
    assert files_in(blobs, volume.tree(before.entry.commit)) == {b"a": b"1"}


def restore(blobs: Blobs, volume: Volume, number: int, path: bytes = b"") -> None:
    (then,) = [one for one in volume.log() if one.number == number]
    with Upload(blobs) as upload:
        head, tree = volume.restored(upload, then.entry.commit, path)
        volume.commit(upload, head, tree, NOTE)


def test_a_version_a_folder_and_a_file_are_restored(blobs, volume):
    first = {b"a": b"1", b"d": None, b"d/e": None, b"d/e/f": b"2", b"d/g": b"3"}
    put(blobs, volume, {}, first)
    put(blobs, volume, first, {b"a": b"9", b"h": b"8"})
    restore(blobs, volume, 2, b"d/e")
    assert files_of(blobs, volume) == {b"a": b"9", b"h": b"8", b"d": None, b"d/e": None, b"d/e/f": b"2"}
    restore(blobs, volume, 2, b"a")
    assert files_of(blobs, volume)[b"a"] == b"1"
    restore(blobs, volume, 2)
    assert files_of(blobs, volume) == first
    with pytest.raises(NoSuchPath):
        restore(blobs, volume, 2, b"nothing")


def test_a_path_in_what_is_a_file_now_is_not_restored(blobs, volume):
    first = {b"d": None, b"d/a": b"1"}
    put(blobs, volume, {}, first)
    put(blobs, volume, first, {b"d": b"2"})
    with pytest.raises(BadName, match="no folder"):
        restore(blobs, volume, 2, b"d/a")


def test_a_fork_goes_its_own_way_and_shares_what_it_has(blobs, volume):
    put(blobs, volume, {}, {b"a": b"1" * 100_000})
    before = sum(one.size_bytes for one in blobs.store.list("packs/"))
    fork = volume.fork("f", NOTE)
    assert sum(one.size_bytes for one in blobs.store.list("packs/")) < before + 2000
    put(blobs, fork, {b"a": b""}, {b"a": b"2"})
    assert files_of(blobs, volume) == {b"a": b"1" * 100_000}
    assert files_of(blobs, fork) == {b"a": b"2"}
    assert [one.number for one in fork.log()] == [2, 1]


def test_a_commit_of_another_volume_is_no_commit_of_this_one(blobs, volume):
    secret = Volume.create(blobs, "secret", NOTE)
    put(blobs, secret, {}, {b"key": b"1"})
    with pytest.raises(NoSuchCommit):
        volume.tree(secret.head().commit)


def test_another_owner_reads_nothing(blobs, volume):
    put(blobs, volume, {}, {b"a": b"1"})
    other = Blobs.open(blobs.store, OwnerKeys.derive(b"another owner's secret, 32 bytes"))
    assert len(other.index) == 0
    with pytest.raises((NoSuchCommit, Damaged)):
        Volume(other, "v").tree(volume.head().commit)


def test_a_chunk_that_looks_like_a_node_is_none(blobs, volume):
    """Who may put files can put any bytes into a chunk."""
    forged = encode_node(0, [Leaf(b"secret", b"", 0)])
    with Upload(blobs) as upload:
        chunk = upload.add(Kind.CHUNK, forged)
        upload.flush()
    assert blobs.read(chunk, Kind.CHUNK) == forged
    with pytest.raises(Damaged):
        blobs.read(chunk, Kind.NODE)


def test_tables_that_can_t_be_written_fail_no_commit(blobs, volume):
    put(blobs, volume, {}, {b"a": b"1"})
    plan = Plan(fail=lambda done, key: StoreUnavailable("503") if done == "put" and "index/" in key else None)
    faulty = Blobs.open(FaultyStore(blobs.store, plan), blobs.keys)
    files: dict[bytes, bytes | None] = {b"a": b"1"}
    for number in range(70):
        before = dict(files)
        files[b"%d" % number] = b"%d" % number
        put(faulty, Volume(faulty, "v"), before, files)
    assert list(blobs.store.list("index/")) == []
    assert files_of(Blobs.open(blobs.store, blobs.keys), volume) == files


def test_one_content_lies_there_once(blobs, volume):
    many = {b"%d" % number: b"same" * 5000 for number in range(50)}
    put(blobs, volume, {}, many)
    tree = volume.tree(volume.head().commit)
    assert len({decode_entry(leaf.value).chunks for leaf in tree.items()}) == 1


def test_thinned_commits_are_gone_from_the_log_and_never_the_newest(blobs, volume):
    for number in range(5):
        put(blobs, volume, {}, {b"a": b"%d" % number})
    volume.thin([1, 3, 6, 99])
    assert [one.number for one in volume.log()] == [6, 5, 4, 2]
    assert volume.head().number == 6


def test_a_removed_volume_is_gone(blobs, volume):
    volume.remove()
    volume.remove()
    with pytest.raises(NoSuchVolume):
        volume.head()
    Volume.create(blobs, "v", NOTE)


def test_many_packs_are_gathered_in_tables(blobs, volume):
    files: dict[bytes, bytes | None] = {}
    for number in range(70):
        before = dict(files)
        files[b"%d" % number] = b"%d" % number
        put(blobs, volume, before, files)
    assert len(list(blobs.store.list("index/"))) == 1
    assert files_of(Blobs.open(blobs.store, blobs.keys), volume) == files
