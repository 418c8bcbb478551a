"""What is measured: plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Task:
    """What each contender does once a round; `request` is what its driver is told.

    Drivers answer in the unit's base: seconds for ``µs``, ``ms`` and ``s``, bytes for ``KB``. `aim` is what
    Farcell's own rows are to reach: a ratio to the baseline, or a value with its unit.
    """

    name: str
    request: str
    unit: str = "ms"
    aim: str = ""


@dataclass(frozen=True, slots=True)
class Contender:
    """A driver with its arguments. `peer` drivers run in the peers' environment; `only` names its tasks if not all."""

    name: str
    driver: str
    arguments: tuple[str, ...] = ()
    peer: bool = False
    ours: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`contenders` holds the baseline under its name. The first `warm_up` of the `rounds` are dropped."""

    name: str
    title: str
    tasks: Sequence[Task]
    contenders: Sequence[Contender]
    baseline: str
    rounds: int
    quick_rounds: int
    warm_up: int
    notes: Sequence[str] = ()
    answer_s: float = 90.0
    """A driver that takes longer is broken, and the benchmark with it."""


class Measured(NamedTuple):
    """A driver's answer to one request."""

    value: float
    trace: tuple[tuple[str, float], ...] = ()
    lost: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement; `lost` is the share of what should have come and did not.

    `trace` has what happened on the way, each with its offset in seconds.
    """

    contender: str
    task: str
    round: int
    value: float
    trace: tuple[tuple[str, float], ...] = ()
    lost: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """A contender's samples of one task; `ratio` is its median by the baseline's in the same rounds.

    `lost` is the mean of the samples' shares: more than 0, and the figures are those of less work.
    """

    task: str
    contender: str
    ours: bool
    p50: float
    p95: float
    ratio: float
    samples: int
    lost: float = 0.0
