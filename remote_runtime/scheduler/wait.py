"""How long a wait may take, from how long past leases took."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from .stock import OfferKey

MEMORY = 50
"""So many past leases of an offer count: enough for a median, few enough to follow a change of habits."""


@dataclass(slots=True)
class Durations:
    """How many seconds the past leases of each offer lasted."""

    _past: defaultdict[OfferKey, deque[float]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=MEMORY))
    )

    def add(self, key: OfferKey, seconds: float) -> None:
        self._past[key].append(max(0.0, seconds))

    def typical(self, key: OfferKey) -> float | None:
        """The median, or None when nothing is known."""
        past = self._past.get(key)
        return median(past) if past else None

    def remaining(self, key: OfferKey, age_s: float) -> float:
        """What a lease of that age has before it: the median of the longer past ones, less its age.

        One that has outlasted them all may well last as long again.
        """
        longer = [seconds for seconds in self._past.get(key, ()) if seconds > age_s]
        return median(longer) - age_s if longer else age_s


def expected_wait(
    free_in_s: Sequence[float], ahead: Sequence[int], count: int, lease_s: float
) -> float | None:
    """Seconds until `count` devices are free together, after those ahead have started.

    `free_in_s` says when each device is free, in any order; `ahead` how many each takes, next first; `lease_s`
    for how long. None when there are fewer devices than `count`; those ahead who want too many are passed over.
    """
    if count > len(free_in_s):
        return None
    free_at = sorted(free_in_s)
    for wanted in ahead:
        if wanted <= len(free_at):
            end = free_at[wanted - 1] + lease_s
            free_at = sorted([*free_at[wanted:], *[end] * wanted])
    return free_at[count - 1]
