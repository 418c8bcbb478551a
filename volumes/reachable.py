"""Which blobs the volumes of an owner need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .blobs import Blobs
from .commits import Head, decode_log_entry, read_commit
from .contents import blobs_of
from .entries import decode_entry
from .ids import BlobId, Kind
from .index import Table
from .nodes import Child, NodeReader
from .store import Store
from .volume import VOLUMES


class Needed(NamedTuple):
    id: BlobId
    kind: Kind


class Marks:
    """One bit for each row of a table: memory that does not grow with what is marked."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._marked = bytearray(len(table))

    def __contains__(self, blob: BlobId) -> bool:
        return any(self._marked[row] for row in self.table.find(blob))

    def mark(self, blob: BlobId) -> bool:
        """All rows of a blob; False where it has none."""
        found = False
        for row in self.table.find(blob):
            self._marked[row] = found = True
        return found


def read_heads(store: Store) -> Iterator[Head]:
    for one in store.list(VOLUMES):
        ref = store.read_ref(one.key)
        if ref is not None:
            yield Head.decode(ref.value)


class Reachable:
    """Walks from heads to everything below them; what has been seen is not walked again.

    A node that is marked has all below it marked or on its way: `walk` has to be run to its end.
    """

    def __init__(self, blobs: Blobs, marks: Marks) -> None:
        self._blobs = blobs
        self._nodes = NodeReader(blobs)
        self._marks = marks

    def walk(self, heads: Iterable[Head]) -> Iterator[Needed]:
        """Every blob that is needed and was not marked, as it is marked; raises `Damaged` where it can't read on."""
        for head in heads:
            for value in self._tree(head.log):
                if isinstance(value, Needed):
                    yield value
                    continue
                commit = decode_log_entry(value).commit
                if commit not in self._marks:
                    yield self._need(commit, Kind.COMMIT)
                    yield from self._files(read_commit(self._blobs, commit, head.volume).root)

    def _files(self, root: BlobId) -> Iterator[Needed]:
        for value in self._tree(root):
            if isinstance(value, Needed):
                yield value
            else:
                for blob, kind in blobs_of(self._blobs, decode_entry(value), self._marks.__contains__):
                    if blob not in self._marks:
                        yield self._need(blob, kind)

    def _tree(self, root: BlobId) -> Iterator[Needed | bytes]:
        """Its nodes, and the values of those that were not marked."""
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if node in self._marks:
                continue
            yield self._need(node, Kind.NODE)
            for item in self._nodes.read(node).items:
                if isinstance(item, Child):
                    waiting.append(item.id)
                else:
                    yield item.value

    def _need(self, blob: BlobId, kind: Kind) -> Needed:
        self._marks.mark(blob)
        return Needed(blob, kind)
