"""Medians, percentiles, ratios, and the medians of traces; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean, median

from .model import Benchmark, Row, Sample


def summarise(benchmark: Benchmark, samples: Sequence[Sample]) -> list[Row]:
    """A row for each task and contender, in the benchmark's order."""
    return [
        _row(benchmark, samples, task.name, contender.name, ours=contender.ours)
        for task in benchmark.tasks
        for contender in benchmark.contenders
    ]


def _row(benchmark: Benchmark, samples: Sequence[Sample], task: str, contender: str, *, ours: bool) -> Row:
    values = _values(samples, task, contender)
    baseline = _values(samples, task, benchmark.baseline)
    p50 = median(values)
    ratio = p50 / median(baseline)
    lost = fmean(sample.lost for sample in _of(samples, task, contender))
    return Row(task, contender, ours, p50, percentile(values, 95), ratio, len(values), lost)


def _values(samples: Sequence[Sample], task: str, contender: str) -> list[float]:
    return [sample.value for sample in _of(samples, task, contender)]


def _of(samples: Sequence[Sample], task: str, contender: str) -> list[Sample]:
    return [sample for sample in samples if (sample.task, sample.contender) == (task, contender)]


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def explain(samples: Sequence[Sample], contender: str) -> list[tuple[str, float]]:
    """The steps on the way of that contender's samples, with their median offsets in seconds, in order of time."""
    offsets: dict[str, list[float]] = {}
    for sample in samples:
        if sample.contender == contender:
            for step, offset_s in sample.trace:
                offsets.setdefault(step, []).append(offset_s)
    steps = [(step, median(found)) for step, found in offsets.items()]
    return sorted(steps, key=lambda step: step[1])
