"""Interleaved rounds: in each, every contender runs every task once, in an order that a fixed seed shuffles."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from .model import Benchmark, Measured, Sample

SEED = 20_26

Measure = Callable[[str, str], Measured]
"""Takes a contender's name and a request."""


def order_of(contenders: Sequence[str], rounds: int, seed: int = SEED) -> Iterator[list[str]]:
    """The order of each round: the same for the same arguments."""
    source = random.Random(seed)
    for _ in range(rounds):
        yield source.sample(contenders, len(contenders))


def measure_rounds(
    benchmark: Benchmark, rounds: int, measure: Measure, tell: Callable[[int], None]
) -> list[Sample]:
    """All samples but those of the warm-up; `tell` is called with the number of each round that is over."""
    names = [contender.name for contender in benchmark.contenders]
    samples: list[Sample] = []
    for number, order in enumerate(order_of(names, benchmark.warm_up + rounds)):
        for name in order:
            for task in benchmark.tasks:
                value, trace, lost = measure(name, task.request)
                samples.append(Sample(name, task.name, number, value, trace, lost))
        tell(number)
    return [sample for sample in samples if sample.round >= benchmark.warm_up]
