"""One seed: a cell and a network that breaks while it runs, both chosen by it; and whether all came as it should."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from random import Random

from far_world import FarWorld
from scripted_cell import Script, Told, follow, script_of
from weather import COLD_WEIGHTS, WEIGHTS, Weather, faults_of

WITHIN_S = 120.0


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
    def is_cold(self) -> bool:
        return is_cold(self.seed)

    @property
    def is_right(self) -> bool:
        return not (self.lost or self.repeated or self.wrong) and self.runs == 1

    def __str__(self) -> str:
        verdict = "right" if self.is_right else f"WRONG {self.wrong}"
        name = f"seed {self.seed}{' (cold)' if self.is_cold else ''}"
        return (
            f"{name}: {self.seconds:.1f} s, {self.faults}; {self.cuts} cuts, {self.breaks} breaks seen, "
            f"{self.shown} shown, {self.lost} lost, {self.repeated} repeated, run {self.runs} times: {verdict}"
        )


def is_cold(seed: int) -> bool:
    """Every third seed has a session of its own, which is not there yet when the faults begin."""
    return seed % 3 == 0


def run_seed(world: FarWorld, seed: int) -> Outcome:
    random = Random(seed)
    script = script_of(random, world.shared / f"runs-{seed}")
    faults = faults_of(random, COLD_WEIGHTS if is_cold(seed) else WEIGHTS)
    name = f"cold {seed}" if is_cold(seed) else "link"
    if is_cold(seed):
        world.client.offers()  # who never reached a gateway does not wait for it to come back
    else:
        follow(world.start("pass"))  # in calm weather, so that the session is there
    began, cuts = time.monotonic(), world.cuts
    told = Told()
    with Weather(world, faults):
        run = world.start(script.source, name)
        try:
            follow(run, within_s=WITHIN_S, told=told)
        except TimeoutError:
            run.interrupt()
    outcome = judge(
        script, told, seed, time.monotonic() - began, " ".join(map(str, faults)), world.cuts - cuts
    )
    return tidied(world, outcome, name) if is_cold(seed) else outcome


def tidied(world: FarWorld, outcome: Outcome, name: str) -> Outcome:
    """Ends a cold seed's session; wrong if it needed more than one lease, or if anything of it is left."""
    world.calm()
    session = world.session(name)
    world.client.stop(session.id)
    found = [
        one for one in world.client.get("/farcell/v1/leases")["leases"] if one["session_id"] == session.id
    ]
    amiss = [f"it had {len(found)} leases"] if len(found) != 1 else []
    amiss += ["processes of it are left"] if world.of_lease(session) else []
    return replace(outcome, wrong="; ".join(filter(None, [outcome.wrong, *amiss])))


def failed(seed: int, why: str) -> Outcome:
    """Of a seed that could not be judged."""
    return Outcome(seed, 0.0, "", cuts=0, breaks=0, shown=0, lost=0, repeated=0, runs=0, wrong=why)


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
