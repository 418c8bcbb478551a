"""What leaves a user's cache, and whose cache fills the disk; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LEAVES = 0.9
"""A cache that is too large is brought down to this part of its limit: not every download is to cost another file."""
RELATIME_S = 86_400.0
"""Linux notes that a file was read once a day: what was read yesterday may have been read just now."""
GROWS_BYTES = 64 << 20
"""A cache that grew by less does not fill a disk."""


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """What goes as a whole: its path in the cache, and when anything of it was read or written last.

    `bottomless`: it has more levels than anything has that is of use.
    """

    path: tuple[str, ...]
    size_bytes: int
    last_used: float
    bottomless: bool = False


def protected_since(lease_starts: Iterable[float]) -> float:
    """What was used after it may be in use by a running lease; without one, nothing is."""
    return min(lease_starts, default=float("inf")) - RELATIME_S


def too_much(
    entries: Iterable[CacheEntry], total_bytes: int, limit_bytes: int, since: float
) -> list[CacheEntry]:
    """What goes so that a cache is within its limit, oldest first; less where what is left is in use."""
    entries = list(entries)
    bottomless = [entry for entry in entries if entry.bottomless]
    excess = total_bytes - limit_bytes * LEAVES if total_bytes > limit_bytes else 0
    return bottomless + oldest((entry for entry in entries if not entry.bottomless), int(excess), since)


def oldest(entries: Iterable[CacheEntry], need_bytes: int, since: float) -> list[CacheEntry]:
    """The longest unused, until they have `need_bytes`; nothing that was used after `since`."""
    chosen: list[CacheEntry] = []
    for entry in sorted(entries, key=lambda entry: entry.last_used):
        if need_bytes <= 0 or entry.last_used >= since:
            break
        chosen.append(entry)
        need_bytes -= entry.size_bytes
    return chosen


def who_fills(
    before: Mapping[str, int], now: Mapping[str, int], running: Iterable[str]
) -> tuple[str, int] | None:
    """The owner, of those with a running lease, whose cache grew most, and by how much; None where none really did.

    What a cache had before that nobody has looked at is unknown: it did not grow.
    """
    growth = {owner: now[owner] - before[owner] for owner in running if owner in now and owner in before}
    owner = max(growth, key=growth.__getitem__, default=None)
    return None if owner is None or growth[owner] < GROWS_BYTES else (owner, growth[owner])
