"""What agents tell reaches the book together, a moment later, and at once where somebody asks."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from farcell.remote_runtime.api import LeaseId
from farcell.remote_runtime.gateway import bookkeeper, records
from farcell.remote_runtime.gateway.live_session import LiveSession
from farcell.remote_runtime.wire import control

from .conftest import NO_AGENT, House, Open
from .faces import Face, until
from .played_agent import lease_of, played

BEGAN = control.Cell("one", 1, 0)
ENDED = control.Cell("one", 1, 0, 5, "ok")


@pytest.fixture
async def lease_id(ada: Face) -> LeaseId:
    return await lease_of(ada, (await ada.session()).json["id"])


@pytest.fixture
def never_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookkeeper, "WRITTEN_AFTER_S", 3600.0)


@asynccontextmanager
async def ready(house: House, lease_id: LeaseId):
    """The lease's session, whose kernel has been ready for longer than `ENDED` attests."""
    async with played(house, lease_id) as agent:
        await agent.ready()
        live = house.gateway.keeper.find(lease_id)
        assert live is not None
        await until(lambda: live.elapsed_ms() > 10)
        yield live


async def cells_of(house: House):
    return await house.gateway.database.read(records.read_cells)


async def told(house: House, live: LiveSession) -> bookkeeper.Bookkeeper:
    keeper = house.gateway.keeper.bookkeeper
    keeper.cell_changed(live, BEGAN)
    keeper.cell_changed(live, ENDED)
    return keeper


async def test_a_cells_end_is_written_and_charged_by_itself(house: House, lease_id: LeaseId):
    async with ready(house, lease_id) as live:
        await told(house, live)
        await until(lambda: live.session.cost_nanos)
        (cell,) = await cells_of(house)
        assert (cell.execute_id, cell.ended_ms, cell.status) == ("one", 5, "ok")


@pytest.mark.usefixtures("never_by_itself")
async def test_a_bill_has_what_was_told_just_before(house: House, ada: Face, lease_id: LeaseId):
    async with ready(house, lease_id) as live:
        await told(house, live)
        bill = (await ada.get("/farcell/v1/bill")).json
    assert [line["number"] for line in bill["lines"] if line["execute_id"]] == [1]
    assert bill["simulated_nanos"] > 0


@pytest.mark.usefixtures("never_by_itself")
async def test_flushed_twice_it_is_booked_once(house: House, lease_id: LeaseId):
    async with ready(house, lease_id) as live:
        keeper = await told(house, live)
        await keeper.flush()
        charged = live.session.cost_nanos
        await told(house, live)
        await keeper.flush()
        assert live.session.cost_nanos == charged > 0
        assert len(await cells_of(house)) == 1


@pytest.mark.usefixtures("never_by_itself")
async def test_a_gateway_that_ends_writes_first(open_house: Open):
    async with open_house(agent=NO_AGENT, end=False) as house:
        ada = await house.user("ada")
        lease_id = await lease_of(ada, (await ada.session()).json["id"])
        async with ready(house, lease_id) as live:
            await told(house, live)
    async with open_house(agent=NO_AGENT) as house:
        assert [cell.execute_id for cell in await cells_of(house)] == ["one"]
