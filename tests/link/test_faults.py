"""Cells over a network that breaks as seeds say: no cell runs twice, no output is lost, none repeated, all in order."""

from __future__ import annotations

import time

import pytest
from far_world import PING_S, FarWorld
from scripted_cell import Script, follow
from seeds import run_seed

FOUND_WITHIN_S = 60.0
"""Two pings and a goodbye take 7 s; without them a silent link would be taken for sound for minutes."""


@pytest.mark.parametrize("seed", range(1, 7))  # 3 and 6 are cold
def test_a_cell_comes_through_whatever_the_network_does(world: FarWorld, seed: int):
    outcome = run_seed(world, seed)
    assert outcome.is_right, str(outcome)


@pytest.fixture
def script(world: FarWorld) -> Script:
    script = Script(world.folder / f"runs-{time.monotonic_ns()}")
    for step in range(30):
        script.prints(f"line {step}")
        script.pauses(0.05)
    return script


@pytest.mark.parametrize("side", ["clients", "agents"])
def test_a_silent_link_is_found_and_replaced_within_bounds(world: FarWorld, script: Script, side: str):
    run = world.start(script.source)
    told = follow(run, until=lambda told: "line 5\n" in told.text)
    getattr(world, side).silence_all()
    began = time.monotonic()
    assert follow(run, told=told).shown == script.expected
    assert script.times_run == 1
    assert time.monotonic() - began < FOUND_WITHIN_S


@pytest.mark.parametrize("side", ["clients", "agents"])
def test_a_line_of_1_kb_a_second_delays_and_loses_nothing(world: FarWorld, script: Script, side: str):
    run = world.start(script.source)
    told = follow(run, until=lambda told: "line 5\n" in told.text)
    getattr(world, side).rate_bytes_per_s = 1000
    time.sleep(3 * PING_S)  # it is slow for so long
    world.calm()
    assert follow(run, told=told).shown == script.expected
    assert script.times_run == 1
