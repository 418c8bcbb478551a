"""One seed: a cell and a network that breaks while it runs, both chosen by it; and whether all came as it should."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random

from far_world import FarWorld
from scripted_cell import Script, Told, follow, script_of
from weather import Weather, faults_of

WITHIN_S = 45.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a seed. `lost` and `repeated` count lines and displays; `wrong` says in words what else is amiss."""

    seed: int
    seconds: float
    faults: str
    cuts: int
    breaks: int
    shown: int
    lost: int
    repeated: int
    runs: int
    wrong: str = ""

    @property
    def is_right(self) -> bool:
        return not (self.lost or self.repeated or self.wrong) and self.runs == 1

    def __str__(self) -> str:
        verdict = "right" if self.is_right else f"WRONG {self.wrong}"
        return (
            f"seed {self.seed}: {self.seconds:.1f} s, {self.faults}; {self.cuts} cuts, {self.breaks} breaks seen, "
            f"{self.shown} shown, {self.lost} lost, {self.repeated} repeated, run {self.runs} times: {verdict}"
        )


def run_seed(world: FarWorld, seed: int) -> Outcome:
    random = Random(seed)
    script = script_of(random, world.folder / f"runs-{seed}")
    faults = faults_of(random)
    follow(world.start("pass"))  # in calm weather, so that the session is there
    began, cuts = time.monotonic(), world.cuts
    told = Told()
    with Weather(world, faults):
        run = world.start(script.source)
        try:
            follow(run, within_s=WITHIN_S, told=told)
        except TimeoutError:
            run.interrupt()
    return judge(script, told, seed, time.monotonic() - began, " ".join(map(str, faults)), world.cuts - cuts)


def judge(script: Script, told: Told, seed: int, seconds: float, faults: str, cuts: int) -> Outcome:
    expected, came = pieces(script.expected), pieces(told.shown)
    lost = sum(1 for one in set(expected) if came.count(one) < expected.count(one))
    repeated = sum(1 for one in set(came) if came.count(one) > expected.count(one))
    return Outcome(
        seed,
        seconds,
        faults,
        cuts,
        told.broken,
        len(came),
        lost,
        repeated,
        script.times_run,
        _amiss(script, told),
    )


def pieces(shown: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Line by line where it is a stream."""
    return [
        (kind, piece) for kind, text in shown for piece in (text.splitlines() if kind == "stream" else [text])
    ]


def _amiss(script: Script, told: Told) -> str:
    if told.end is None:
        return "it did not end, with a link" if told.is_linked else "it did not end, without a link"
    if told.end.error is not None:
        return f"it ended with {told.end.error.message}"
    if told.questions != script.questions:
        return f"it asked {told.questions}, not {script.questions}"
    return (
        ""
        if told.shown == script.expected
        else "the outputs differ from what was expected, or in their order"
    )
