"""The watch over a lease, on a clock of the test's own: what it reports, and why it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from far_messages import request, status

from farcell.remote_runtime.agent import watch as watch_module
from farcell.remote_runtime.agent.activity import Activity
from farcell.remote_runtime.agent.cells import CellTracker
from farcell.remote_runtime.agent.watch import USAGE_EVERY_S, Watch
from farcell.remote_runtime.api import EndReason
from farcell.remote_runtime.wire import control
from farcell.remote_runtime.wire.control import Cell, GpuUse, Status, Usage


class World:
    """A kernel, a meter, a gateway and a clock, all played. `plan` is called with the time at each wait."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.answers = True
        self.pid = 42
        self.connected = True
        self.told: list[control.Control] = []
        self.activity = Activity(0.0, 5, (GpuUse("GPU-1", 0.0, 7),))
        self.asked_names = 0
        self.waits: list[float] = []
        self.plan: Callable[[float], None] = lambda _: None
        self.cells = CellTracker()
        self.watch = Watch(self, self.cells, self, self, 3600.0)  # type: ignore[arg-type]

    def monotonic(self) -> float:
        return self.now

    def sample(self, kernel_pid: int) -> Activity:
        assert kernel_pid == self.pid
        return self.activity

    async def variables(self) -> tuple[str, ...]:
        self.asked_names += 1
        return ("x",)

    def tell(self, message: control.Control) -> None:
        self.told.append(message)

    async def wait(self, seconds: float, _wait: object) -> None:
        self.now += seconds
        self.waits.append(seconds)
        self.plan(self.now - 1000.0)
        self.watch._again.clear()
        await asyncio.sleep(0)

    def statuses(self) -> list[Status]:
        return [message for message in self.told if isinstance(message, Status)]

    def begin_cell(self, execute_id: str = "a") -> None:
        self.cells.to_kernel(request(execute_id))
        self._passed(status(execute_id, "busy"))

    def end_cell(self, execute_id: str = "a") -> None:
        self._passed(status(execute_id, "idle"))

    def _passed(self, message: Any) -> None:
        cell = self.cells.from_kernel(message, self.watch.uptime_ms())
        assert cell is not None
        self.watch.cell_changed(cell)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    clock = World.__new__(World)
    monkeypatch.setattr(watch_module, "time", clock)
    clock.__init__()  # type: ignore[misc]  # the watch reads the clock as it is made
    monkeypatch.setattr(watch_module, "_within", clock.wait)
    return clock


async def test_a_quiet_lease_is_warned_of_with_its_variables_and_ends_idle(world):
    world.watch.set_limits(10.0, 1000.0)
    assert await world.watch.judge() is EndReason.IDLE
    assert world.now - 1000.0 == pytest.approx(20.0)
    assert world.asked_names == 1
    assert world.watch.unsaved == ("x",)
    warned = [told.idle for told in world.statuses() if told.idle.warned]
    assert {told.unsaved for told in warned} == {("x",)}
    assert next(told.idle for told in world.statuses() if not told.idle.warned).unsaved == ()


async def test_a_cell_takes_the_warning_back_and_its_end_begins_the_countdown_anew(world):
    world.watch.set_limits(10.0, 1000.0)
    world.plan = lambda at: {15: world.begin_cell, 25: world.end_cell}.get(round(at), lambda: None)()
    assert await world.watch.judge() is EndReason.IDLE
    assert world.now - 1000.0 == pytest.approx(45.0, abs=1.1)
    assert world.asked_names == 2


async def test_a_warning_that_a_cells_end_brought_names_the_variables_too(world):
    """Where the agent was held up while a cell ran, the look at its end is the one that finds it idle."""
    world.watch.set_limits(10.0, 1000.0)
    world.begin_cell()
    world.now += 11
    world.end_cell()
    assert await world.watch.judge() is EndReason.IDLE
    assert world.asked_names == 1


async def test_a_kernel_that_does_not_answer_is_not_idle(world):
    world.answers = False
    world.watch.move_lease_end(50.0)
    world.watch.set_limits(10.0, 1000.0)
    assert await world.watch.judge() is EndReason.EXPIRED


async def test_a_lease_whose_end_is_not_moved_expires(world):
    world.watch.move_lease_end(30.0)
    assert await world.watch.judge() is EndReason.EXPIRED
    assert world.now - 1000.0 == pytest.approx(30.0, abs=1.0)


async def test_a_lease_that_is_busy_for_too_long_expires(world):
    world.watch.set_limits(10.0, 25.0)
    world.activity = Activity(1.0, 5, ())
    assert await world.watch.judge() is EndReason.EXPIRED
    assert world.now - 1000.0 == pytest.approx(25.0, abs=1.0)


async def test_keep_postpones_the_end(world):
    world.watch.set_limits(10.0, 1000.0)
    world.watch.keep(100.0)
    await world.watch.judge()
    assert world.now - 1000.0 == pytest.approx(120.0, abs=1.0)


async def test_however_short_the_idle_time_the_machine_is_not_looked_at_all_the_time(world):
    world.watch.set_limits(0.001, 1000.0)
    await world.watch.judge()
    assert min(world.waits) >= 0.05


async def test_cells_are_told_at_once_with_what_they_used(world):
    world.watch.begin()
    world.plan = lambda at: {2: world.begin_cell, 5: world.end_cell}.get(round(at), lambda: None)()
    world.watch.set_limits(10.0, 1000.0)
    await world.watch.judge()
    began, ended = (told for told in world.told if isinstance(told, Cell))
    assert (began.started_ms, began.ended_ms) == (2000, None)
    assert (ended.ended_ms, ended.peak_memory_bytes, ended.peak_gpu_memory_bytes) == (5000, 5, 7)


async def test_nothing_is_reported_to_a_gateway_that_is_away(world):
    world.connected = False
    world.watch.begin()
    world.watch.set_limits(10.0, 1000.0)
    await world.watch.judge()
    world.watch.attest()
    assert world.told == []


async def test_uptime_counts_from_the_first_kernel(world):
    assert world.watch.uptime_ms() == 0
    world.watch.begin()
    world.now += 1.5
    world.watch.begin()
    assert world.watch.uptime_ms() == 1500


async def test_time_is_attested_from_the_first_kernel_on(world):
    world.watch.attest()
    assert world.told == []
    world.watch.begin()
    world.now += USAGE_EVERY_S
    world.watch.attest()
    assert world.told == [Usage(int(USAGE_EVERY_S * 1000), 0.0, 0, ())]
