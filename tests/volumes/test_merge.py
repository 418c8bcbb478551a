"""Merges: what is kept, and under which name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from farcell.volumes import Blobs, BucketStore, Note, Outcome, Upload, Volume
from farcell.volumes.errors import HeadMoved, NoSuchVolume, RefMoved

from .faulty_store import FaultyStore, Plan
from .small_trees import Files, edits_to, files_of

NOTE = Note("somebody")


def merged(
    blobs: Blobs, name: str, base: Files, head: Files, own: Files
) -> tuple[dict[bytes, bytes | None], dict]:
    """What the head holds after both have committed, the one called `own` last; conflicts by path."""
    volume = Volume.create(blobs, name, NOTE)

    def commit(start, before: Files, after: Files):
        with Upload(blobs) as upload:
            tree = volume.tree(start.commit).update(upload, edits_to(upload, before, after))
            return volume.commit(upload, start, tree, NOTE)

    start = commit(volume.head(), {}, base).head
    commit(start, base, head)
    done = commit(start, base, own)
    found = files_of(blobs, volume)
    assert all(one.kept_as is None or one.kept_as in found for one in done.conflicts)
    named = {re.sub(rb"(\.conflict-)[0-9a-f]{8}", rb"\1X", path): data for path, data in found.items()}
    return named, {one.path: one.outcome for one in done.conflicts}


CASES = {
    "each side's own": (
        {b"a": b"1", b"b": b"1"}, {b"a": b"2", b"b": b"1"}, {b"a": b"1", b"b": b"3", b"c": b"4"},
        {b"a": b"2", b"b": b"3", b"c": b"4"}, {},
    ),
    "the same on both": ({b"a": b"1"}, {b"a": b"2"}, {b"a": b"2"}, {b"a": b"2"}, {}),
    "both changed": (
        {b"a": b"1"}, {b"a": b"2"}, {b"a": b"3"},
        {b"a": b"2", b"a.conflict-X": b"3"}, {b"a": Outcome.BOTH_KEPT},
    ),
    "both added": (
        {}, {b"d": None, b"d/a": b"2"}, {b"d": None, b"d/a": b"3"},
        {b"d": None, b"d/a": b"2", b"d/a.conflict-X": b"3"}, {b"d/a": Outcome.BOTH_KEPT},
    ),
    "changed there, deleted here": ({b"a": b"1"}, {b"a": b"2"}, {}, {b"a": b"2"}, {b"a": Outcome.HEAD_KEPT}),
    "deleted there, changed here": ({b"a": b"1"}, {}, {b"a": b"2"}, {b"a": b"2"}, {b"a": Outcome.BROUGHT_BACK}),
    "deleted on both": ({b"a": b"1", b"b": b"1"}, {b"b": b"1"}, {b"b": b"1"}, {b"b": b"1"}, {}),
    "deleted with its folder there, changed here": (
        {b"d": None, b"d/a": b"1"}, {}, {b"d": None, b"d/a": b"2"},
        {b"d": None, b"d/a": b"2"}, {b"d/a": Outcome.BROUGHT_BACK},
    ),
    "a folder deleted here, added to there": (
        {b"d": None, b"d/a": b"1"}, {b"d": None, b"d/a": b"1", b"d/b": b"2"}, {},
        {b"d": None, b"d/b": b"2"}, {},
    ),
    "a folder there, a file here": (
        {}, {b"x": None, b"x/a": b"1"}, {b"x": b"2"},
        {b"x": None, b"x/a": b"1", b"x.conflict-X": b"2"}, {b"x": Outcome.BOTH_KEPT},
    ),
    "a file there, a folder here": (
        {}, {b"x": b"2"}, {b"x": None, b"x/a": b"1", b"x/b": None, b"x/b/c": b"3"},
        {b"x": b"2", b"x.conflict-X": None, b"x.conflict-X/a": b"1", b"x.conflict-X/b": None,
         b"x.conflict-X/b/c": b"3"},
        {b"x": Outcome.BOTH_KEPT},
    ),
    "a folder that became a file there, changed in here": (
        {b"x": None, b"x/a": b"1"}, {b"x": b"2"}, {b"x": None, b"x/a": b"3"},
        {b"x": b"2", b"x.conflict-X": None, b"x.conflict-X/a": b"3"},
        {b"x": Outcome.BOTH_KEPT, b"x/a": Outcome.BROUGHT_BACK},
    ),
    "a folder that became a file here, added to there": (
        {b"x": None, b"x/a": b"1"}, {b"x": None, b"x/a": b"1", b"x/b": b"2"}, {b"x": b"3"},
        {b"x": None, b"x/b": b"2", b"x.conflict-X": b"3"}, {b"x": Outcome.BOTH_KEPT},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_two_commits_of_one_version_come_to(blobs, case):
    base, head, own, expected, outcomes = CASES[case]
    assert merged(blobs, "v", base, head, own) == (expected, outcomes)


def test_a_conflict_takes_a_free_name_of_at_most_255_bytes(blobs):
    long = b"n" * 250
    found, _ = merged(blobs, "v", {long: b"1"}, {long: b"2"}, {long: b"3"})
    assert found == {long: b"2", b"n" * 237 + b".conflict-X": b"3"}


NAMES = st.sampled_from([b"a", b"b", b"a/a", b"a/b", b"b/a", b"a/a/a", b"b/a/b"])


@st.composite
def whole_trees(draw) -> dict[bytes, bytes | None]:
    """Where something lies in a name, that is a folder."""
    files: dict[bytes, bytes | None] = {}
    for path in draw(st.lists(NAMES, max_size=5)):
        parts = path.split(b"/")
        above = [b"/".join(parts[:depth]) for depth in range(1, len(parts))]
        if all(files.get(one) is None for one in above) and path not in files:
            files.update(dict.fromkeys(above))
            files[path] = draw(st.sampled_from([None, b"1", b"2"]))
    return files


@given(base=whole_trees(), head=whole_trees(), own=whole_trees())
def test_no_content_that_one_side_made_is_lost_and_the_result_is_a_tree(keys, base, head, own):
    blobs = Blobs.open(BucketStore(MemoryStore()), keys)
    found, _ = merged(blobs, "v", base, head, own)
    for path in found:
        folder = path.rpartition(b"/")[0]
        assert not folder or found.get(folder, b"nothing") is None
    for side, other in ((head, own), (own, head)):
        for path, data in side.items():
            if data is not None and base.get(path) != data:
                kept = [one for one, there in found.items() if there == data]
                assert kept, (path, data, other)


def test_a_head_that_always_moves_is_given_up_on(memory, keys, monkeypatch):
    plan = Plan(fail=lambda operation, key: RefMoved() if operation == "move" else None)
    volume = Volume.create(Blobs.open(memory, keys), "v", NOTE)
    blobs = Blobs.open(FaultyStore(memory, plan), keys)
    head = volume.head()
    with Upload(blobs) as upload:
        tree = volume.tree(head.commit).update(upload, edits_to(upload, {}, {b"a": b"1"}))
        with pytest.raises(HeadMoved):
            Volume(blobs, "v").commit(upload, head, tree, NOTE)


def test_a_commit_to_a_removed_volume_is_refused(blobs):
    volume = Volume.create(blobs, "v", NOTE)
    head = volume.head()
    with Upload(blobs) as upload:
        tree = volume.tree(head.commit).update(upload, edits_to(upload, {}, {b"a": b"1"}))
        volume.remove()
        with pytest.raises(NoSuchVolume):
            volume.commit(upload, head, tree, NOTE)
