"""Containers behind links that break; gateway, agent, kernel and container killed, and an engine that stands still."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from deaths import OF_DOCKER
from docker_engine import DockerEngine, docker_client
from docker_world import DockerWorld
from endings import assert_ended_cleanly, assert_whole
from far_machine import eventually, kill
from scripted_cell import Script, Told, follow
from seeds import run_seed
from session_journal import told_by_journal

from farcell.remote_runtime.client.cell import CellRun
from farcell.remote_runtime.errors import OutcomeUnknown

NAME = "link"


@pytest.fixture(scope="module")
def world(docker_engine: DockerEngine) -> Iterator[DockerWorld]:
    with DockerWorld(docker_engine) as world:
        world.client.offers()  # who never reached a gateway does not wait for it to come back
        yield world


@pytest.fixture
def script(world: DockerWorld) -> Script:
    script = Script(world.shared / f"runs-{time.monotonic_ns()}")
    for step in range(10):
        script.prints(f"line {step}")
        script.shows(f"shown {step}", "one")
    return script


@pytest.fixture
def held(script: Script) -> Iterator[Script]:
    """It waits in its middle for the test, and not for ever where that fails."""
    script.waits()
    script.prints("last")
    yield script
    script.go_on()


def begin(world: DockerWorld, script: Script) -> tuple[CellRun, Told]:
    """A cell, heard to where it waits."""
    run = world.start(script.source, NAME)
    return run, follow(run, until=lambda told: told.shown[-1:] == [("display_data", "shown 9")])


@pytest.mark.parametrize("seed", [2, 3, 5, 6])  # 3 and 6 are cold and kill gateways
def test_a_cell_comes_through_whatever_the_network_does(world: DockerWorld, seed: int):
    outcome = run_seed(world, seed)
    assert outcome.is_right, str(outcome)


def test_a_gateway_killed_in_a_cell_costs_nothing(world: DockerWorld, held: Script):
    run, told = begin(world, held)
    before = world.containers()
    world.restart_gateway()
    held.go_on()
    assert_whole(held, follow(run, told=told))
    assert told.broken == 1
    assert world.containers() == before


@pytest.mark.parametrize("point", OF_DOCKER)
def test_a_gateway_killed_in_a_start_delays_the_cell(world: DockerWorld, script: Script, point: str):
    world.client.stop_all(lambda _: True)
    world.restart_gateway(die_at=point)
    run = world.start(script.source, point)
    world.see_gateway_die()
    world.restart_gateway()
    assert_whole(script, follow(run))
    assert len(world.containers()) == 1
    assert_ended_cleanly(world, point)


def test_a_killed_kernel_ends_its_cell_and_the_next_one_runs_in_the_same_container(
    world: DockerWorld, held: Script
):
    run, told = begin(world, held)
    lease = world.session(NAME).lease_id
    kill(world.kernel(world.session(NAME)))
    follow(run, told=told)
    assert "died (SIGKILL" in unknown(told)
    assert_whole(after := one_after(held), follow(world.start(after.source, NAME)))
    assert world.session(NAME).lease_id == lease


def of_the_agent(world: DockerWorld) -> None:
    kill(world.agent(world.session(NAME)))


def of_the_container(world: DockerWorld) -> None:
    with docker_client(world.engine) as client:
        client.kill(world.container(world.session(NAME)))


def of_all_that_the_engine_knows(world: DockerWorld) -> None:
    with docker_client(world.engine) as client:
        client.remove_container(world.container(world.session(NAME)), force=True)


def of_agent_and_gateway(world: DockerWorld) -> None:
    agent = world.agent(world.session(NAME))
    for process in (world.gateway, agent):
        process.send_signal(signal.SIGKILL)
    world.restart_gateway()


@pytest.mark.parametrize(
    "death", [of_the_agent, of_the_container, of_all_that_the_engine_knows, of_agent_and_gateway]
)
def test_a_death_leaves_the_outcome_unknown_the_output_whole_and_nothing_behind(
    world: DockerWorld, held: Script, death: Callable[[DockerWorld], None]
):
    run, told = begin(world, held)
    session = world.session(NAME)
    (container,) = world.containers()
    far = world.of_lease(session)
    death(world)
    follow(run, told=told)
    assert "lost its container" in unknown(told)
    assert told.shown == told_by_journal(session, run.source.execute_id).shown == held.expected[:-1]
    assert held.times_run == 1
    eventually(lambda: not any(process.is_running() for process in far))
    eventually(lambda: container not in world.containers())


def unknown(told: Told) -> str:
    """What was said of the outcome."""
    assert told.end is not None
    assert isinstance(told.end.error, OutcomeUnknown)
    return told.end.error.message


def test_a_cell_needs_no_engine(world: DockerWorld, held: Script):
    run, told = begin(world, held)
    engine = psutil.Process(world.engine.pid)
    engine.suspend()
    try:
        held.go_on()
        assert_whole(held, follow(run, told=told))
        assert_whole(after := one_after(held), follow(world.start(after.source, NAME)))
    finally:
        engine.resume()


def one_after(script: Script) -> Script:
    after = Script(script.runs.with_name(f"{script.runs.name}-after"))
    after.prints("after")
    return after
