"""Network faults, chosen by a seed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from far_world import FarWorld
from faulty_proxy import Closing, FaultyProxy

KINDS = ("close", "reset", "silence", "slow", "late", "refuse", "cut", "kill")
WEIGHTS = (4, 4, 2, 2, 2, 2, 6, 1)
COLD_WEIGHTS = (*WEIGHTS[:-1], 8)
"""While a session starts: rather kills."""


@dataclass(frozen=True, slots=True)
class Fault:
    after_s: float
    kind: str
    of_agents: bool
    size_bytes: int
    lasts_s: float

    def __str__(self) -> str:
        return self.kind if self.kind == "kill" else f"{self.kind}-{'agent' if self.of_agents else 'client'}"


def faults_of(random: Random, weights: Sequence[int] = WEIGHTS) -> list[Fault]:
    return [
        Fault(
            after_s=random.uniform(0.0, 0.5),
            kind=random.choices(KINDS, weights)[0],
            of_agents=random.random() < 0.5,
            size_bytes=int(10 ** random.uniform(0, 4.7)),
            lasts_s=random.uniform(0.1, 0.7),
        )
        for _ in range(random.randint(2, 6))
    ]


class Weather(Closing):
    """Brings the faults, one after the other, on a thread of its own, and calms down then."""

    def __init__(self, world: FarWorld, faults: list[Fault]) -> None:
        self._world = world
        self._faults = faults
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="weather", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        for fault in self._faults:
            if self._over.wait(fault.after_s):
                return
            self._bring(fault)

    def _bring(self, fault: Fault) -> None:
        proxy = self._world.agents if fault.of_agents else self._world.clients
        if fault.kind == "kill":
            self._world.restart_gateway()
        else:
            _ONCE.get(fault.kind, self._for_a_while)(proxy, fault)

    def _for_a_while(self, proxy: FaultyProxy, fault: Fault) -> None:
        match fault.kind:
            case "slow":
                proxy.rate_bytes_per_s = 1000
            case "late":
                proxy.delay_s = fault.lasts_s / 4
            case "refuse":
                proxy.refusing = True
                proxy.close_all()
        self._over.wait(fault.lasts_s)
        proxy.calm()


def _cut(proxy: FaultyProxy, fault: Fault) -> None:
    proxy.cut_after_bytes = fault.size_bytes


_ONCE: dict[str, Callable[[FaultyProxy, Fault], None]] = {
    "close": lambda proxy, _: proxy.close_all(),
    "reset": lambda proxy, _: proxy.reset_all(),
    "silence": lambda proxy, _: proxy.silence_all(),
    "cut": _cut,
}
