"""Hundreds of seeds: ``soak.py --minutes 8 --report docs/soak.md``; a line for each, and a table."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from far_world import FarWorld  # noqa: E402 (where tests find each other is said above)
from seeds import Outcome, run_seed  # noqa: E402

SEEDS_IN_A_WORLD = 10


@dataclass(slots=True)
class Soak:
    """What came of all seeds so far."""

    command: str
    began: float = field(default_factory=time.monotonic)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def wrong(self) -> list[Outcome]:
        return [one for one in self.outcomes if not one.is_right]

    def table(self) -> str:
        rows = {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "command": f"`{self.command}`",
            "time": f"{(time.monotonic() - self.began) / 60:.1f} min",
            "seeds": _span([one.seed for one in self.outcomes]),
            "cells": sum(one.runs for one in self.outcomes),
            "lines and displays": sum(one.shown for one in self.outcomes),
            "cuts of a link, and killed gateways": sum(one.cuts for one in self.outcomes),
            "times that the client lost its link": sum(one.breaks for one in self.outcomes),
            "longest seed": f"{max((one.seconds for one in self.outcomes), default=0):.1f} s",
            "lost": sum(one.lost for one in self.outcomes),
            "repeated": sum(one.repeated for one in self.outcomes),
            "cells that ran twice or never": sum(one.runs != 1 for one in self.outcomes),
            "seeds that went wrong": ", ".join(str(one.seed) for one in self.wrong) or "none",
        }
        return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


PREFACE = """# The soak: cells over links that break

Each seed chooses a cell that prints, shows, updates and asks, and 2 to 6 faults of the links before and behind the
gateway while it runs: connections closed, reset, silent without a word, slowed to 1 KB/s, delayed, refused, cut after
so many bytes; and gateways killed. What the client showed is compared, piece by piece, with what the cell is written to
show; a file on disk counts how often it ran. `make soak` does it again.
"""


def _span(seeds: list[int]) -> str:
    return f"{len(seeds)} ({min(seeds)} to {max(seeds)})" if seeds else "0"


def outcomes_in_a_world(seeds: range, until: float) -> list[Outcome]:
    """With a gateway of their own, and a new one after a seed that went wrong; none begins after `until`."""
    outcomes: list[Outcome] = []
    while len(outcomes) < len(seeds) and time.time() < until:
        with FarWorld() as world:
            for seed in seeds[len(outcomes) :]:
                if time.time() > until:
                    break
                outcomes.append(run_seed(world, seed))
                if not outcomes[-1].is_right:
                    break
    return outcomes


def outcomes(first: int, last: int, minutes: float, workers: int) -> Iterator[Outcome]:
    until = time.time() + 60 * minutes
    batches = [
        range(seed, min(seed + SEEDS_IN_A_WORLD, last + 1))
        for seed in range(first, last + 1, SEEDS_IN_A_WORLD)
    ]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for found in pool.map(outcomes_in_a_world, batches, [until] * len(batches)):
            yield from found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int, default=300)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    soak = Soak(shlex.join(["python", "tests/link/soak.py", *sys.argv[1:]]))
    for outcome in outcomes(given.first, given.last, given.minutes, given.workers):
        soak.outcomes.append(outcome)
        sys.stdout.write(f"{outcome}\n")
        sys.stdout.flush()
    sys.stdout.write(f"\n{soak.table()}\n")
    if given.report:
        given.report.write_text(f"{PREFACE}\n{soak.table()}\n")
    return bool(soak.wrong)


if __name__ == "__main__":
    sys.exit(main())
