"""Cells of two places keep their order: against a model that knows only when each began and ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from farcell.kernel.far_kernel.messages import Request
from farcell.kernel.far_kernel.order import Cell, CellOrder
from farcell.kernel.far_kernel.routing import Place
from farcell.remote_runtime.wire.messages import KernelMessage

HERE, FAR = Place.HERE, Place.FAR


def cell(msg_id: str, place: Place, *, stop_on_error: bool = True) -> Cell:
    request = Request(KernelMessage("shell", b"{}"), (), msg_id, "execute_request", None, ())
    return Cell(request, place, stop_on_error)


@dataclass
class World:
    attached: bool = True
    started: list[str] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.order = CellOrder(
            lambda cell: self.started.append(cell.request.msg_id),
            lambda cell: self.aborted.append(cell.request.msg_id),
            lambda: self.attached,
        )

    def add(self, msg_id: str, place: Place, **more: bool) -> None:
        self.order.add(cell(msg_id, place, **more))


def test_far_cells_follow_each_other_at_once_while_a_far_kernel_is_attached():
    world = World()
    for msg_id in "abc":
        world.add(msg_id, FAR)
    assert world.started == ["a", "b", "c"]


def test_until_one_is_attached_the_first_goes_alone():
    world = World(attached=False)
    world.add("a", FAR)
    world.add("b", FAR)
    assert world.started == ["a"]
    world.order.ended("a", failed=False)
    assert world.started == ["a", "b"]


def test_a_cell_of_the_other_place_waits_for_all_before_it():
    world = World()
    for msg_id, place in (("a", FAR), ("b", FAR), ("c", HERE), ("d", FAR)):
        world.add(msg_id, place)
    assert world.started == ["a", "b"]
    world.order.ended("a", failed=False)
    assert world.started == ["a", "b"]
    world.order.ended("b", failed=False)
    assert world.started == ["a", "b", "c"]
    world.order.ended("c", failed=False)
    assert world.started == ["a", "b", "c", "d"]


def test_a_failure_aborts_what_waits_and_nothing_that_comes_later():
    world = World()
    for msg_id, place in (("a", HERE), ("b", HERE), ("c", FAR)):
        world.add(msg_id, place)
    world.order.ended("a", failed=True)
    assert world.aborted == ["b", "c"]
    world.add("d", FAR)
    assert world.started == ["a", "d"]


def test_a_cell_that_does_not_stop_on_errors_lets_the_next_go_on():
    world = World()
    world.add("a", HERE, stop_on_error=False)
    world.add("b", HERE)
    world.order.ended("a", failed=True)
    assert world.started == ["a", "b"]
    assert world.aborted == []


def test_an_end_counts_once():
    world = World()
    world.add("a", HERE)
    world.add("b", HERE)
    world.add("c", HERE)
    world.order.ended("a", failed=False)
    world.order.ended("a", failed=True)
    assert world.started == ["a", "b"]
    assert world.aborted == []


@given(
    st.lists(st.tuples(st.sampled_from([HERE, FAR]), st.booleans(), st.booleans()), max_size=12), st.data()
)
def test_cells_begin_in_order_and_never_beside_one_of_the_other_place(cells, data):
    world = World(attached=False)
    places = {}
    running: list[str] = []

    def check() -> None:
        running[:] = [one for one in world.started if one not in ended]
        assert world.started == sorted(world.started)
        assert len({places[one] for one in running}) <= 1
        assert places.get(running[0]) is FAR if len(running) > 1 else True

    ended: set[str] = set()
    for number, (place, failed, attached) in enumerate(cells):
        msg_id = f"{number:03}"
        places[msg_id] = place
        world.attached = attached
        world.add(msg_id, place)
        check()
        if running and data.draw(st.booleans()):
            ended.add(running[0])
            world.order.ended(running[0], failed=failed)
            check()
    while running:
        ended.add(running[0])
        world.order.ended(running[0], failed=False)
        check()
    assert sorted(world.started + world.aborted) == sorted(places)
