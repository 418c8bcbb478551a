"""Three-way merges by file. Pure.

The head and a commit have changed since the version that both know. A path that only one changed is as that one left
it. Where both changed it the head's keeps the name, and the commit's becomes ``name.conflict-<commit>``; changed
against deleted keeps the changed one. Nothing is merged inside a file. A file and a folder never share a name:
whichever the commit brought moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from .entries import Entry, EntryKind, decode_entry, inside, path_of, set_entry
from .nodes import Leaf
from .paths import NAME_BYTES
from .trees import Difference, Edit

_SEPARATOR: Final = b"\0"
_FOLDER_MODE: Final = 0o755
"""Of a folder that comes back because something in it changed."""


class Outcome(StrEnum):
    """What became of a path that both sides had touched."""

    BOTH_KEPT = "both-kept"
    """The commit's is under another name."""
    HEAD_KEPT = "head-kept"
    """The commit had deleted it, and the head changed it."""
    BROUGHT_BACK = "brought-back"
    """The head had deleted it, and the commit changed it."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """`kept_as`: where the commit's file is, when not under its own name."""

    path: bytes
    outcome: Outcome
    kept_as: bytes | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """What makes the merged version of the head's; edits ascend."""

    edits: list[Edit]
    conflicts: list[Conflict]


class View(Protocol):
    """The head's tree."""

    def get(self, key: bytes) -> bytes | None: ...

    def items(self, start: bytes = b"", stop: bytes | None = None) -> Iterator[Leaf]: ...


def merge(
    head: View, theirs: Mapping[bytes, Difference], ours: Mapping[bytes, Difference], name: str
) -> Merged:
    """`theirs`: from the common version to the head; `ours`: to the commit that is called `name`."""
    merging = _Merging(head, name)
    merging.compare(theirs, ours)
    merging.keep_full_folders()
    for key in sorted(merging.wanted):
        merging.place(key)
    return merging.result()


class _Merging:
    def __init__(self, head: View, name: str) -> None:
        self._head = head
        self._suffix = b".conflict-" + name.encode()
        self.wanted: dict[bytes, Entry] = {}
        """What the commit brings, by the keys that it has there."""
        self._gone: set[bytes] = set()
        self._clashes: set[bytes] = set()
        """Of what is wanted: where the head's keeps the name."""
        self._moved: dict[bytes, bytes] = {}
        """Folders whose content goes elsewhere."""
        self._placed: dict[bytes, Entry] = {}
        self._conflicts: list[Conflict] = []

    def compare(self, theirs: Mapping[bytes, Difference], ours: Mapping[bytes, Difference]) -> None:
        for key, mine in ours.items():
            other = theirs.get(key)
            if other is None:
                self._take(key, mine.after)
            elif other.after == mine.after:
                continue
            elif mine.after is None:
                self._note(key, Outcome.HEAD_KEPT)
            elif other.after is None:
                self._note(key, Outcome.BROUGHT_BACK)
                self._take(key, mine.after)
            else:
                self._both(key, decode_entry(mine.after), decode_entry(other.after))

    def keep_full_folders(self) -> None:
        """What the commit deleted stays when the head has put something into it; the deepest first."""
        for key in sorted(self._gone, reverse=True):
            if self._has_content(key):
                self._gone.discard(key)

    def place(self, key: bytes) -> None:
        entry = self.wanted[key]
        target = self._inside_folders(key)
        is_folder = entry.kind is EntryKind.FOLDER
        if key in self._clashes or (not is_folder and self._has_content(key)):
            kept_as = self._free_name(target)
            if is_folder:
                self._moved[key] = kept_as
            self._note(key, Outcome.BOTH_KEPT, kept_as)
            target = kept_as
        self._placed[target] = entry

    def result(self) -> Merged:
        edits = {key: Edit(key, None) for key in self._gone}
        edits.update((key, set_entry(key, entry)) for key, entry in self._placed.items())
        return Merged([edits[key] for key in sorted(edits)], self._conflicts)

    def _take(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._gone.add(key)
        else:
            self.wanted[key] = decode_entry(value)

    def _both(self, key: bytes, mine: Entry, other: Entry) -> None:
        """Two folders of one name are one; so are two files of one content."""
        if mine.same_content(other) or mine.kind is other.kind is EntryKind.FOLDER:
            return
        self.wanted[key] = mine
        self._clashes.add(key)

    def _note(self, key: bytes, outcome: Outcome, kept_as: bytes | None = None) -> None:
        self._conflicts.append(Conflict(path_of(key), outcome, None if kept_as is None else path_of(kept_as)))

    def _has_content(self, key: bytes) -> bool:
        return any(leaf.key not in self._gone for leaf in self._head.items(*inside(key)))

    def _inside_folders(self, key: bytes) -> bytes:
        """Where a key goes: every name on the way to it is a folder, made if need be, or another one's name."""
        names = key.split(_SEPARATOR)
        target, own = b"", b""
        for name in names[:-1]:
            own = own + _SEPARATOR + name if own else name
            target = target + _SEPARATOR + name if target else name
            if own in self._moved:
                target = self._moved[own]
                continue
            there = self._there(target)
            if there is None:
                self._placed[target] = Entry(EntryKind.FOLDER, _FOLDER_MODE)
            elif there.kind is not EntryKind.FOLDER:
                target = self._moved[own] = self._free_name(target)
                self._placed[target] = Entry(EntryKind.FOLDER, _FOLDER_MODE)
                self._note(own, Outcome.BOTH_KEPT, target)
        return target + _SEPARATOR + names[-1] if target else names[-1]

    def _there(self, key: bytes) -> Entry | None:
        """What the merged version has so far."""
        if key in self._placed:
            return self._placed[key]
        value = None if key in self._gone else self._head.get(key)
        return None if value is None else decode_entry(value)

    def _free_name(self, key: bytes) -> bytes:
        folder, separator, name = key.rpartition(_SEPARATOR)
        number = 1
        while True:
            end = self._suffix if number == 1 else self._suffix + b"-%d" % number
            free = folder + separator + name[: NAME_BYTES - len(end)] + end
            if free not in self.wanted and self._there(free) is None and self._head.get(free) is None:
                return free
            number += 1
