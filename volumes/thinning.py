"""Which commits are thinned out. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S


@dataclass(frozen=True, slots=True)
class Keeping:
    """All commits of `all_s`; then one an hour until `hourly_s` ago, and one a day until `daily_s` ago."""

    all_s: int = _HOUR_S
    hourly_s: int = _DAY_S
    daily_s: int = 30 * _DAY_S


@dataclass(frozen=True, slots=True)
class Made:
    """A commit; `named` ones have a message."""

    number: int
    made_s: int
    named: bool


def thin(commits: Iterable[Made], now_s: int, keeping: Keeping | None = None) -> set[int]:
    """The numbers of the commits that go: never the newest, a named one, or one that a clock put into the future.

    Of an hour or a day (in UTC) the last commit stays. Thinning what was thinned before goes on where that ended.
    """
    keeping = keeping or Keeping()
    newest_first = sorted(commits, key=lambda one: one.number, reverse=True)
    kept: set[tuple[int, int]] = set()
    gone = set()
    for commit in newest_first[1:]:
        age_s = now_s - commit.made_s
        if commit.named or age_s <= keeping.all_s:
            continue
        length_s = _HOUR_S if age_s <= keeping.hourly_s else _DAY_S
        stretch = length_s, commit.made_s // length_s
        if stretch in kept or age_s > keeping.daily_s:
            gone.add(commit.number)
        kept.add(stretch)
    return gone
