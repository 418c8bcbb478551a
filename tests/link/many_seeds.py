"""Many seeds in several worlds at once; ``many_seeds.py 17 18`` does some again, with a line for each."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from docker_engine import DockerEngine  # noqa: E402
from docker_world import DockerWorld  # noqa: E402
from far_world import FarWorld  # noqa: E402 (where tests find each other is said above)
from seeds import Outcome, failed, run_seed  # noqa: E402

SEEDS_IN_A_WORLD = 10


def outcomes_in_a_world(engine: DockerEngine | None, seeds: Sequence[int]) -> list[Outcome]:
    """With a gateway of their own, and a new one after a seed that went wrong; in an engine's containers, if any."""
    outcomes: list[Outcome] = []
    while len(outcomes) < len(seeds):
        begun = len(outcomes)
        try:
            with DockerWorld(engine) if engine else FarWorld() as world:
                for seed in seeds[begun:]:
                    outcomes.append(_outcome(world, seed))
                    if not outcomes[-1].is_right:
                        break
        except Exception:
            if len(outcomes) == begun:  # there is no world to be had
                raise
            outcomes[-1] = failed(outcomes[-1].seed, traceback.format_exc())
    return outcomes


def _outcome(world: FarWorld, seed: int) -> Outcome:
    try:
        return run_seed(world, seed)
    except Exception:  # noqa: BLE001 (the other seeds are to run, whatever became of this one)
        return failed(seed, traceback.format_exc())


def outcomes(seeds: Sequence[int], workers: int, engine: DockerEngine | None = None) -> Iterator[Outcome]:
    batches = [seeds[at : at + SEEDS_IN_A_WORLD] for at in range(0, len(seeds), SEEDS_IN_A_WORLD)]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for found in pool.map(partial(outcomes_in_a_world, engine), batches):
            yield from found


def main() -> int:
    wrong = 0
    for outcome in outcomes([int(seed) for seed in sys.argv[1:]], workers=1):
        sys.stdout.write(f"{outcome}\n")
        sys.stdout.flush()
        wrong += not outcome.is_right
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
