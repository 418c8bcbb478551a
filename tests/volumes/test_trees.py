"""Trees: the same entries make the same tree, and a change makes few new nodes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from farcell.volumes import Blobs, BucketStore, OwnerKeys, Tree, Upload
from farcell.volumes.ids import BlobId, Kind
from farcell.volumes.nodes import NodeReader
from farcell.volumes.trees import Difference, Edit, empty_tree

from .conftest import SECRET

MAPS = st.dictionaries(st.binary(min_size=1, max_size=2), st.sampled_from([b"1", b"2"]), max_size=300)


class Counted:
    """An upload that counts."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self.nodes = 0
        self.size_bytes = 0

    def add(self, kind: Kind, data: bytes) -> BlobId:
        self.nodes += 1
        self.size_bytes += len(data)
        return self._upload.add(kind, data)


class Forest:
    """Trees in one store."""

    def __init__(self) -> None:
        self.blobs = Blobs.open(BucketStore(MemoryStore()), OwnerKeys.derive(SECRET))
        self.nodes = NodeReader(self.blobs)

    def tree(
        self,
        entries: Mapping[bytes, bytes],
        before: Tree | None = None,
        old: Mapping[bytes, bytes] | None = None,
    ) -> Tree:
        old = old or {}
        edits = [
            Edit(key, entries.get(key), len(entries.get(key, b"")))
            for key in sorted(old.keys() | entries.keys())
            if old.get(key) != entries.get(key)
        ]
        with Upload(self.blobs) as upload:
            tree = (before or empty_tree(self.nodes, upload)).update(upload, edits)
            upload.flush()
        return tree


def content(tree: Tree) -> dict[bytes, bytes]:
    return {leaf.key: leaf.value for leaf in tree.items()}


@pytest.fixture(scope="module")
def forest() -> Forest:
    return Forest()


@given(first=MAPS, second=MAPS)
def test_a_tree_is_its_entries_however_it_came_to_be(forest, first, second):
    one, other = forest.tree(first), forest.tree(second)
    changed = forest.tree(second, one, first)
    assert changed.root == other.root
    assert content(changed) == second
    assert changed.count == len(second)
    assert changed.size_bytes == sum(map(len, second.values()))
    assert [leaf.key for leaf in changed.items()] == sorted(second)
    assert [leaf.key for leaf in changed.backwards()] == sorted(second, reverse=True)


@given(first=MAPS, second=MAPS)
def test_differences_are_all_there_are(forest, first, second):
    found = list(forest.tree(first).differences(forest.tree(second)))
    assert found == [
        Difference(key, first.get(key), second.get(key))
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key)
    ]


@given(entries=MAPS, start=st.binary(max_size=2), stop=st.none() | st.binary(max_size=2))
def test_ranges_and_single_keys(forest, entries, start, stop):
    tree = forest.tree(entries)
    wanted = [key for key in sorted(entries) if key >= start and (stop is None or key < stop)]
    assert [leaf.key for leaf in tree.items(start, stop)] == wanted
    assert tree.get(start) == entries.get(start)


def test_one_change_among_very_many_entries_writes_a_node_on_each_level():
    forest = Forest()
    entries = {b"folder\0%06d" % number: b"%d" % number for number in range(50_000)}
    tree = forest.tree(entries)
    for changes in (
        [Edit(b"folder\0025000", b"new")],
        [Edit(b"folder\0025000x", b"new")],
        [Edit(b"zzz", b"new")],
    ):
        with Upload(forest.blobs) as upload:
            counted = Counted(upload)
            changed = tree.update(counted, changes)
            upload.flush()
        assert counted.nodes <= 6
        assert counted.size_bytes < 40_000
        assert len(list(tree.differences(changed))) == 1


def test_differences_read_no_more_than_differs():
    forest = Forest()
    entries = {b"%06d" % number: b"%d" % number for number in range(50_000)}
    tree = forest.tree(entries)
    changed = forest.tree({**entries, b"025000": b"new"}, tree, entries)
    reads: list[BlobId] = []

    class Counting(NodeReader):
        def read(self, node):
            reads.append(node)
            return super().read(node)

    nodes = Counting(forest.blobs)
    assert len(list(Tree(nodes, tree.root).differences(Tree(nodes, changed.root)))) == 1
    assert len(reads) <= 12


def test_edits_that_do_not_ascend_are_refused(forest):
    with Upload(forest.blobs) as upload, pytest.raises(AssertionError, match="ascend"):
        empty_tree(forest.nodes, upload).update(upload, [Edit(b"b", b"1"), Edit(b"a", b"1")])
