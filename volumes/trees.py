"""Ordered maps from keys to values, as trees of blobs whose nodes end where their keys say.

A node ends after a key whose keyed hash has enough zeros (`OwnerKeys.height`), on every level anew. So the same entries
make the same tree, whoever wrote them and in whatever order, and one change makes one new node on each level: a commit
of a million files in one folder writes four nodes of about 64 items.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from .ids import BlobId, Kind
from .nodes import BlobAdder, Child, Leaf, Node, NodeReader, encode_node

BITS: Final = 6
"""A node has 64 items on average. A number of the format."""


class Difference(NamedTuple):
    """A key whose value is another in the second tree; None: it has none."""

    key: bytes
    before: bytes | None
    after: bytes | None


class Edit(NamedTuple):
    """What a key is to become; no value: it goes."""

    key: bytes
    value: bytes | None
    size_bytes: int = 0


class Tree:
    """One version; reads what it needs, when it is asked."""

    def __init__(self, nodes: NodeReader, root: BlobId) -> None:
        self._nodes = nodes
        self.root = root

    @property
    def count(self) -> int:
        return sum(_count(item) for item in self._nodes.read(self.root).items)

    @property
    def size_bytes(self) -> int:
        return sum(item.size_bytes for item in self._nodes.read(self.root).items)

    def get(self, key: bytes) -> bytes | None:
        for leaf in self.items(key):
            return leaf.value if leaf.key == key else None
        return None

    def items(self, start: bytes = b"", stop: bytes | None = None) -> Iterator[Leaf]:
        """In order, from `start` on and before `stop`; reads only the nodes on the way."""
        stack: list[Iterator[Leaf | Child]] = [iter(self._nodes.read(self.root).items)]
        while stack:
            item = next(stack[-1], None)
            if item is None:
                stack.pop()
            elif item[0] < start:
                continue
            elif isinstance(item, Child):
                stack.append(iter(self._nodes.read(item.id).items))
            elif stop is not None and item.key >= stop:
                return
            else:
                yield item

    def backwards(self) -> Iterator[Leaf]:
        """From the last key on."""
        stack: list[Iterator[Leaf | Child]] = [reversed(self._nodes.read(self.root).items)]
        while stack:
            item = next(stack[-1], None)
            if item is None:
                stack.pop()
            elif isinstance(item, Child):
                stack.append(reversed(self._nodes.read(item.id).items))
            else:
                yield item

    def update(self, upload: BlobAdder, edits: Iterable[Edit]) -> Tree:
        """A new version. The edits' keys ascend; one that names no entry and has no value changes nothing."""
        builder, waiting = _Builder(self._nodes, upload), _Edits(edits)
        builder.walk(self._nodes.read(self.root), waiting, last=True)
        for edit in waiting:
            builder.add_edit(edit)
        return Tree(self._nodes, builder.finish())

    def differences(self, other: Tree) -> Iterator[Difference]:
        """From this version to another, in order; what both share is not read."""
        if self.root == other.root:
            return
        mine, theirs = _Cursor(self._nodes, self.root), _Cursor(other._nodes, other.root)
        while mine.head is not None or theirs.head is not None:
            a, b = mine.head, theirs.head
            if isinstance(a, Child) and isinstance(b, Child) and a.id == b.id:
                mine.step()
                theirs.step()
            elif isinstance(a, Child) and not (isinstance(b, Child) and theirs.level > mine.level):
                mine.open()
            elif isinstance(b, Child):
                theirs.open()
            else:
                yield from _compare(mine, theirs)


def empty_tree(nodes: NodeReader, upload: BlobAdder) -> Tree:
    root = upload.add(Kind.NODE, encode_node(0, []))
    nodes.remember(root, Node(0, []))
    return Tree(nodes, root)


def _count(item: Leaf | Child) -> int:
    return item.entries if isinstance(item, Child) else 1


def _compare(mine: _Cursor, theirs: _Cursor) -> Iterator[Difference]:
    """Steps over the lesser of two entries, or over both."""
    a, b = mine.head, theirs.head
    assert not isinstance(a, Child)
    assert not isinstance(b, Child)
    if b is None or (a is not None and a.key < b.key):
        assert a is not None
        yield Difference(a.key, a.value, None)
        mine.step()
    elif a is None or b.key < a.key:
        yield Difference(b.key, None, b.value)
        theirs.step()
    else:
        if a.value != b.value:
            yield Difference(a.key, a.value, b.value)
        mine.step()
        theirs.step()


class _Cursor:
    """Goes through a tree; its head is an entry, or a child that can be stepped over or opened."""

    def __init__(self, nodes: NodeReader, root: BlobId) -> None:
        self._nodes = nodes
        self._stack: list[tuple[int, Iterator[Leaf | Child]]] = []
        self.head: Leaf | Child | None = None
        self._push(root)

    @property
    def level(self) -> int:
        return self._stack[-1][0]

    def step(self) -> None:
        while self._stack:
            self.head = next(self._stack[-1][1], None)
            if self.head is not None:
                return
            self._stack.pop()
        self.head = None

    def open(self) -> None:
        assert isinstance(self.head, Child)
        self._push(self.head.id)

    def _push(self, node: BlobId) -> None:
        found = self._nodes.read(node)
        self._stack.append((found.level, iter(found.items)))
        self.step()


class _Edits:
    """An iterator that can be looked into."""

    def __init__(self, edits: Iterable[Edit]) -> None:
        self._edits = iter(edits)
        self.next = next(self._edits, None)

    def __iter__(self) -> Iterator[Edit]:
        while self.next is not None:
            yield self.take()

    def take(self) -> Edit:
        taken, self.next = self.next, next(self._edits, None)
        assert taken is not None
        assert self.next is None or taken.key < self.next.key, "edits have to ascend"
        return taken


class _Builder:
    """Nodes that are being filled, one on each level; full ones are written and told to the level above."""

    def __init__(self, nodes: NodeReader, upload: BlobAdder) -> None:
        self._nodes = nodes
        self._upload = upload
        self._open: list[list[Leaf | Child]] = [[]]

    def walk(self, node: Node, edits: _Edits, *, last: bool) -> None:
        """Takes a node's entries, edited; `last`: there is nothing behind it, and it may end anywhere.

        A child that no edit touches is taken as it is, where a node of its level would begin here anyway.
        """
        end = len(node.items) - 1
        for number, item in enumerate(node.items):
            if isinstance(item, Leaf):
                self._edit_up_to(item, edits)
                continue
            is_last = last and number == end
            touched = edits.next is not None and (is_last or edits.next.key <= item.last)
            if touched or any(self._open[: node.level]):
                self.walk(self._nodes.read(item.id), edits, last=is_last)
            else:
                self._add(node.level, item)

    def add_edit(self, edit: Edit) -> None:
        if edit.value is not None:
            self._add(0, Leaf(edit.key, edit.value, edit.size_bytes))

    def finish(self) -> BlobId:
        """Writes what is left; returns the root: the lowest node that has everything below it."""
        level = 0
        while level < len(self._open) - 1:
            if self._open[level]:
                self._close(level)
            level += 1
        top = self._open[level]
        if level == 0 or len(top) > 1:
            return self._write(level, top)
        root = self._only_child(top)
        while (node := self._nodes.read(root)).level and len(node.items) == 1:
            root = self._only_child(node.items)
        return root

    def _only_child(self, items: Sequence[Leaf | Child]) -> BlobId:
        (child,) = items
        assert isinstance(child, Child)
        return child.id

    def _edit_up_to(self, leaf: Leaf, edits: _Edits) -> None:
        while edits.next is not None and edits.next.key < leaf.key:
            self.add_edit(edits.take())
        if edits.next is not None and edits.next.key == leaf.key:
            self.add_edit(edits.take())
        else:
            self._add(0, leaf)

    def _add(self, level: int, item: Leaf | Child) -> None:
        while len(self._open) <= level:
            self._open.append([])
        self._open[level].append(item)
        if self._nodes.keys.height(item[0], BITS) > level:
            self._close(level)

    def _close(self, level: int) -> None:
        items, self._open[level] = self._open[level], []
        node = self._write(level, items)
        size_bytes = sum(item.size_bytes for item in items)
        self._add(level + 1, Child(items[-1][0], node, sum(map(_count, items)), size_bytes))

    def _write(self, level: int, items: list[Leaf | Child]) -> BlobId:
        node = self._upload.add(Kind.NODE, encode_node(level, items))
        self._nodes.remember(node, Node(level, items))
        return node
