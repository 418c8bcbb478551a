"""Gateways killed while sessions wait and start: the cell runs, once and later; no container that nobody waits for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from random import Random

import psutil
import pytest
from deaths import POINTS
from endings import assert_ended_cleanly, assert_whole, free
from far_machine import eventually, kill
from far_world import FarWorld
from scripted_cell import Script, follow

from farcell.remote_runtime.api import EndReason, Request, SessionKey, SessionSpec, SessionState
from farcell.remote_runtime.client.blocking import Client
from farcell.remote_runtime.client.cell import CellRun, CellSource, Progress, new_header
from farcell.remote_runtime.errors import OutcomeUnknown

ALL = SessionSpec(SessionKey("machine", "link.ipynb", "all"), Request.parse("H100:8"))


class UnwantedSoon(FarWorld):
    """Its gateways wait for no client for long."""

    wanted_within_s = 0.5


@pytest.fixture(scope="module")
def known(world: FarWorld) -> FarWorld:
    """The world, whose gateway the client has spoken with."""
    world.client.offers()
    return world


@pytest.fixture
def script(world: FarWorld) -> Script:
    script = Script(world.folder / f"runs-{time.monotonic_ns()}")
    script.prints("first")
    script.shows("shown", "one")
    script.prints("last")
    return script


# --- starts ---


@pytest.mark.parametrize("point", POINTS)
def test_a_gateway_killed_in_a_start_delays_the_cell(known: FarWorld, script: Script, point: str):
    known.restart_gateway(die_at=point)
    run = known.start(script.source, point)
    known.see_gateway_die()
    known.restart_gateway()
    assert_whole(script, follow(run))
    assert_ended_cleanly(known, point)


@pytest.mark.parametrize("seed", range(1, 5))
def test_gateways_killed_one_after_the_other_delay_the_cell(known: FarWorld, script: Script, seed: int):
    """Those in the middle may not come to the point at which they would die: they are killed wherever they are then."""
    random = Random(seed)
    known.restart_gateway(die_at=random.choice(POINTS))
    run = known.start(script.source, f"seed {seed}")
    known.see_gateway_die()
    for _ in range(2):
        known.restart_gateway(die_at=random.choice(POINTS))
        time.sleep(random.uniform(0.0, 1.0))
    known.restart_gateway()
    assert_whole(script, follow(run))
    assert_ended_cleanly(known, f"seed {seed}")


def test_a_cell_that_an_agent_has_taken_is_run_by_no_other(known: FarWorld, script: Script):
    """The database knows nothing of the kernel's readiness, and agent and gateway are gone: the journal tells."""
    script.waits()
    known.restart_gateway(die_at="before its kernel is ready")
    run = known.start(script.source, "taken")
    known.see_gateway_die()
    eventually(lambda: script.times_run == 1)
    kill(agent_of(known))
    known.restart_gateway()
    told = follow(run)
    assert told.end is not None
    assert isinstance(told.end.error, OutcomeUnknown)
    assert script.times_run == 1
    assert known.session("taken").state is SessionState.LOST
    assert_ended_cleanly(known, "taken")


def agent_of(world: FarWorld) -> psutil.Process:
    """The only one, while no gateway is there to be asked."""
    (lease,) = [path.parent for path in world.folder.glob("leases/*/token")]
    return next(one for one in psutil.process_iter() if arguments(one)[-1:] == [str(lease)])


def arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


# --- the queue ---


@pytest.fixture
def full(known: FarWorld) -> Iterator[FarWorld]:
    """All devices are taken by the session ``all``."""
    follow(known.client.run_cell(CellSource("held = 1", new_header()), ALL))
    yield known
    known.client.stop_all(lambda _: True)


def queued(world: FarWorld, script: Script, name: str) -> CellRun:
    run = world.start(script.source, name)
    while not (isinstance(event := run.next(60), Progress) and event.session.queue is not None):
        pass
    return run


def places(world: FarWorld) -> dict[str, int]:
    return {one.name: one.queue.place for one in world.client.sessions() if one.queue is not None}


def test_cells_in_the_queue_outlive_the_gateway_and_keep_their_order(full: FarWorld):
    names = ("queued 1", "queued 2", "queued 3")
    scripts = {name: Script(full.folder / f"runs-{name}") for name in names}
    runs = {}
    for name, script in scripts.items():
        script.prints(name)
        runs[name] = queued(full, script, name)
    full.restart_gateway()
    eventually(lambda: places(full) == {"queued 1": 1, "queued 2": 2, "queued 3": 3})
    assert full.session("all").state is SessionState.IDLE
    full.client.stop(full.session("all").id)
    for name, script in scripts.items():
        assert_whole(script, follow(runs[name]))


def test_a_cell_in_the_queue_of_a_killed_gateway_can_be_interrupted(full: FarWorld, script: Script):
    run = queued(full, script, "interrupted")
    full.restart_gateway()
    eventually(lambda: places(full) == {"interrupted": 1})
    run.interrupt()
    told = follow(run)
    assert told.end is not None
    assert told.end.error is not None
    assert full.session("interrupted").state is SessionState.STOPPED
    full.restart_gateway()
    assert full.session("interrupted").state is SessionState.STOPPED


@pytest.fixture(scope="module")
def left() -> Iterator[FarWorld]:
    with UnwantedSoon() as world:
        yield world


@pytest.mark.parametrize("point", ["before the lease is written", "before the agent is launched"])
def test_who_has_gone_with_the_gateway_gets_no_container(left: FarWorld, point: str):
    left.restart_gateway(die_at=point)
    left.start("gone = 1", point)
    left.see_gateway_die()
    left.client.close()
    left.client = Client()
    left.restart_gateway()
    eventually(lambda: left.session(point).state is SessionState.STOPPED)
    lease = left.session(point).lease
    assert lease is None or (lease.end_reason, lease.ready_at) == (EndReason.EXPIRED, None)
    assert free(left) == 8
