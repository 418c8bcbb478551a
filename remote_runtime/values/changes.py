"""Decides which groups of variables can have changed since they were last equal on both sides.

A group can have changed only if something ran since then that reads or writes one of its names. One that nothing ran
for costs nothing; of the others the whole content is compared. Used by transfers, and by whoever saves variables.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from .digest import digest_of
from .groups import Group, find_groups
from .kinds import is_atom
from .references import Identity

Digest = Callable[[dict[str, Any], dict[str, Any]], bytes]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of the groups that the names asked for are in. `gone` are names that were equal and do not exist any more."""

    changed: tuple[Group, ...]
    same: tuple[Group, ...]
    gone: frozenset[str]


@dataclass(slots=True, eq=False)
class _Record:
    """A group as it was when it was equal on both sides."""

    group: Group
    digest: bytes
    values: dict[str, Any]
    """Atoms themselves, of others their ids: a name that is bound anew has another."""
    objects: set[Identity]
    is_touched: bool = False


@dataclass(slots=True)
class Changes:
    """For one namespace and one other side. Not thread-safe: used on the main thread, between cells."""

    namespace: dict[str, Any]
    digest: Digest = digest_of
    _records: dict[str, _Record] = field(default_factory=dict)
    _fresh: dict[Group, tuple[bytes, set[Identity]]] = field(default_factory=dict)
    """Digests and objects of groups, as found since something was touched last."""

    def touch(self, names: Iterable[str]) -> None:
        """Code ran that reads or writes these names; its functions have been followed."""
        self._fresh.clear()
        for name in names:
            if name in self._records:
                self._records[name].is_touched = True

    def touch_everything(self) -> None:
        """Code ran of which nobody knows what it touches: `exec`, an unknown magic, a widget's callback."""
        self.touch(list(self._records))

    def compare(self, names: Iterable[str], running: Collection[str] = ()) -> Comparison:
        """`running` says what runs on beside the cells, in words: threads, background cells. It may touch anything."""
        if running:
            self.touch_everything()
        wanted = set(names)
        gone = frozenset(name for name in wanted if name in self._records and name not in self.namespace)
        wanted &= self.namespace.keys()
        clean = {record.group: record for name in wanted if (record := self._clean(name)) is not None}
        unsure = wanted.difference(*clean)
        if not unsure:
            return Comparison((), tuple(clean), gone)
        changed: list[Group] = []
        same = list(clean)
        for group in self._groups_of(unsure):
            (same if self._is_same(group) else changed).append(group)
        taken = {name for group in changed for name in group}
        return Comparison(tuple(changed), tuple(one for one in same if not one & taken), gone)

    def equal(self, group: Group, digest: bytes | None = None) -> None:
        """The group is the same on both sides now. `digest` is that of what was sent, if it is known."""
        if group not in self._fresh:
            self._fresh.update((one, (b"", found)) for one, found in self._find(group).items())
        known, objects = self._fresh.get(group, (b"", set()))
        values = {name: self.namespace[name] for name in group}
        record = _Record(
            group,
            digest or known or self.digest(values, self.namespace),
            {name: _mark(value) for name, value in values.items()},
            objects,
        )
        self.forget(group)
        self._records |= dict.fromkeys(group, record)

    def forget(self, names: Iterable[str]) -> None:
        """The names, with their groups, are not known to be equal: the other side is new, or they were deleted."""
        for name in list(names):
            record = self._records.get(name)
            for one in record.group if record is not None else ():
                if self._records.get(one) is record:
                    del self._records[one]

    def _clean(self, name: str) -> _Record | None:
        """Its record, if it can't have changed."""
        record = self._records.get(name)
        if record is None or record.is_touched:
            return None
        for one, mark in record.values.items():
            if one not in self.namespace or not _is_marked(self.namespace[one], mark):
                record.is_touched = True
                return None
        return record

    def _groups_of(self, unsure: set[str]) -> list[Group]:
        found = self._find(unsure)
        self._fresh.update((group, (b"", objects)) for group, objects in found.items())
        return [group for group in found if group & unsure]

    def _find(self, names: Iterable[str]) -> dict[Group, set[Identity]]:
        """Groups of names, of whatever was touched, and of what is clean and shares something with these."""
        walked = set(names)
        owners: dict[Identity, Group] = {}
        for record in set(self._records.values()):
            if self._clean(next(iter(record.group))) is None:
                walked |= record.group
            elif not walked & record.group:
                owners |= dict.fromkeys(record.objects, record.group)
        ordered = {name: self.namespace[name] for name in sorted(walked) if name in self.namespace}
        return find_groups(ordered, owners)

    def _is_same(self, group: Group) -> bool:
        """By the whole content; what is the same is clean again."""
        record = self._records.get(next(iter(group)))
        if record is None or record.group != group:
            return False
        values = {name: self.namespace[name] for name in group}
        if all(is_atom(value) and record.values[name] is value for name, value in values.items()):
            digest = record.digest
        else:
            digest = self.digest(values, self.namespace)
        self._fresh[group] = (digest, self._fresh[group][1])
        if digest != record.digest:
            return False
        self.equal(group, digest)
        return True


def _mark(value: Any) -> Any:
    """What is kept of a value: an atom itself, since another may get its id; else it would live on for this alone."""
    return value if is_atom(value) else ("id", id(value))


def _is_marked(value: Any, mark: Any) -> bool:
    return value is mark or (isinstance(mark, tuple) and mark == ("id", id(value)))
