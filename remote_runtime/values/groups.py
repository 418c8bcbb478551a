"""Variables in groups: two are in one if code can change something through both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .references import Identity, reachable

Group = frozenset[str]


def groups(variables: Mapping[str, Any]) -> list[Group]:
    """Each name in one group; in the order of the names. Safe with cycles.

    Atoms and what modules have are shared by all and joined by nobody.
    """
    return list(find_groups(variables, {}))


def find_groups(variables: Mapping[str, Any], owners: Mapping[Identity, Group]) -> dict[Group, set[Identity]]:
    """The groups with the objects that were walked for them.

    `owners` are groups that are known, by their objects: these are joined without being walked again.
    """
    finder = _Finder(owners)
    for name, value in variables.items():
        finder.walk(name, value)
    return finder.found()


class _Finder:
    """Union-find over names; each object belongs to the first name that reached it."""

    def __init__(self, owners: Mapping[Identity, Group]) -> None:
        self._owners = owners
        self._leaders: dict[str, str] = {}
        self._first: dict[Identity, str] = {}
        self._kept: list[Any] = []

    def walk(self, name: str, value: Any) -> None:
        self._leaders.setdefault(name, name)
        for identity, one in reachable(value, self._first):
            if identity in self._first:
                self._join(name, self._first[identity])
                continue
            self._first[identity] = name
            self._kept.append(one)  # so that no other object gets its identity meanwhile
            for other in self._owners.get(identity, ()):
                self._leaders.setdefault(other, other)
                self._join(name, other)

    def found(self) -> dict[Group, set[Identity]]:
        names: dict[str, list[str]] = {}
        objects: dict[str, set[Identity]] = {}
        for name in self._leaders:
            names.setdefault(self._leader(name), []).append(name)
        for identity, name in self._first.items():
            objects.setdefault(self._leader(name), set()).add(identity)
        return {frozenset(members): objects.get(leader, set()) for leader, members in names.items()}

    def _leader(self, name: str) -> str:
        while (above := self._leaders[name]) != name:
            self._leaders[name] = self._leaders[above]
            name = above
        return name

    def _join(self, one: str, other: str) -> None:
        self._leaders[self._leader(other)] = self._leader(one)
