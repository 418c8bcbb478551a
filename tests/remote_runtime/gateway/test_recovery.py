"""What a gateway takes over of the one before it: the queue, and leases whose containers are not there."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from farcell.remote_runtime.gateway import containers as containers_module
from farcell.remote_runtime.gateway import recovery
from farcell.remote_runtime.journal import JournalWriter, Kind

from .conftest import NO_AGENT, House
from .faces import Face, is_error, until
from .played_agent import dial, lease_of, played, token_of

SESSIONS = "/farcell/v1/sessions"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "WANTED_WITHIN_S", 0.2)


async def two_queued(house: House) -> tuple[str, str]:
    """Both devices are held by one session; two more wait."""
    ada = await house.user("ada")
    await lease_of(ada, (await ada.session("H100:2")).json["id"])
    first, second = [(await ada.session(name=name)).json["id"] for name in ("first", "second")]
    return first, second


async def place(face: Face, session_id: str) -> int | None:
    session = (await face.get(f"{SESSIONS}/{session_id}")).json
    assert session["state"] == "queued"
    return session["queue"] and session["queue"]["place"]


async def test_the_queue_is_as_it_was(open_house):
    async with open_house(agent=NO_AGENT, end=False) as house:
        first, second = await two_queued(house)
    async with open_house(agent=NO_AGENT) as house:
        ada = await house.user("ada")
        async with ada.channels(second), ada.channels(first):
            assert [await place(ada, one) for one in (first, second)] == [1, 2]
            await ada.delete(f"{SESSIONS}/{(await ada.session('H100:2')).json['id']}")
            assert [await ada.state(one) for one in (first, second)] == ["starting", "starting"]


async def test_asking_again_is_to_be_there_again(open_house):
    async with open_house(agent=NO_AGENT, end=False) as house:
        first, _ = await two_queued(house)
    async with open_house(agent=NO_AGENT) as house:
        ada = await house.user("ada")
        assert (await ada.session(name="first")).json["id"] == first
        await ada.delete(f"{SESSIONS}/{(await ada.session('H100:2')).json['id']}")
        assert (await ada.until_state(first, "starting"))["lease"]["devices"]


async def test_whom_nobody_comes_for_gets_no_device_and_leaves_the_queue(open_house, soon):
    async with open_house(agent=NO_AGENT, end=False) as house:
        first, second = await two_queued(house)
    async with open_house(agent=NO_AGENT) as house:
        ada = await house.user("ada")
        await ada.delete(f"{SESSIONS}/{(await ada.session('H100:2')).json['id']}")
        for one in (first, second):
            assert (await ada.until_state(one, "stopped"))["lease"] is None
    async with open_house(agent=NO_AGENT) as house:
        assert await (await house.user("ada")).state(first) == "stopped"
        assert house.gateway.keeper.live == {}


async def test_who_is_stopped_before_it_comes_is_not_queued_again(open_house):
    async with open_house(agent=NO_AGENT, end=False) as house:
        first, _ = await two_queued(house)
    async with open_house(agent=NO_AGENT) as house:
        ada = await house.user("ada")
        assert (await ada.delete(f"{SESSIONS}/{first}")).json["state"] == "stopped"
        again = (await ada.session(name="first")).json
        assert (again["id"], again["state"]) == (first, "queued")


async def test_a_stock_clients_patience_goes_on_over_a_restart(open_house):
    async with open_house(agent=NO_AGENT, end=False, stock_queue_s=1.0) as house:
        ada = await house.user("ada")
        await lease_of(ada, (await ada.session("H100:2")).json["id"])
        kernel = (await ada.post("/api/kernels", {"name": "farcell-h100-simulated"})).json["id"]
    async with open_house(agent=NO_AGENT, stock_queue_s=1.0) as house:
        ada = await house.user("ada")
        await ada.until_state(kernel, "stopped")
        assert is_error(await ada.get(f"/api/kernels/{kernel}"), 503, "unavailable")


async def started_and_killed(open_house) -> tuple[str, str, str]:
    """Session and lease, whose agent was killed while no gateway was there, and that agent's token."""
    async with open_house(agent=NO_AGENT, end=False) as house:
        ada = await house.user("ada")
        session_id = (await ada.session()).json["id"]
        lease_id = await lease_of(ada, session_id)
        token = await token_of(house, lease_id)
        agent = await until(lambda: agents(lease_id))
    os.kill(agent[0], signal.SIGKILL)
    await until(lambda: not agents(lease_id))
    return session_id, lease_id, token


def agents(lease_id: str) -> list[int]:
    return [one.pid for one in psutil.process_iter() if environment(one).get("FARCELL_LEASE") == lease_id]


def environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ() if process.status() != psutil.STATUS_ZOMBIE else {}
    except psutil.Error:
        return {}


async def test_a_start_is_gone_on_with_when_its_client_is_back_under_another_token(open_house):
    session_id, lease_id, old_token = await started_and_killed(open_house)
    async with open_house(agent=NO_AGENT) as house:
        ada = await house.user("ada")
        assert agents(lease_id) == []
        assert (await ada.session()).json["lease"]["id"] == lease_id
        await until(lambda: agents(lease_id))
        token = await token_of(house, lease_id)
        assert token != old_token
        with pytest.raises(Exception, match="401"):
            await dial(house, lease_id, old_token)
        async with played(house, lease_id) as agent:
            await agent.ready()
            assert (await ada.until_state(session_id, "idle"))["lease"]["id"] == lease_id


async def test_a_start_that_nobody_comes_for_ends_without_a_container(open_house, soon):
    session_id, lease_id, _ = await started_and_killed(open_house)
    async with open_house(agent=NO_AGENT) as house:
        ada = await house.user("ada")
        lease = (await ada.until_state(session_id, "stopped"))["lease"]
        assert (lease["end_reason"], lease["end_detail"]) == ("expired", "nobody waited for it any more")
        assert agents(lease_id) == []
        assert (await ada.get("/farcell/v1/offers")).json["offers"][0]["count_free"] == 2


async def test_a_start_whose_agent_had_taken_a_cell_is_lost(open_house):
    session_id, lease_id, _ = await started_and_killed(open_house)
    async with open_house(agent=NO_AGENT) as house:
        writer = JournalWriter(house.gateway.keeper.folders.journal(lease_id))
        writer.append(Kind.ACCEPTED, b"execute-id", 1)
        writer.close()
        ada = await house.user("ada")
        await ada.session()
        assert (await ada.until_state(session_id, "lost"))["lease"]["end_reason"] == "lost"
        assert agents(lease_id) == []


async def test_a_start_whose_device_is_not_there_any_more_fails_in_words(open_house):
    session_id, _, _ = await started_and_killed(open_house)
    async with open_house(agent=NO_AGENT, simulate="T4:1") as house:
        ada = await house.user("ada")
        await ada.session()
        lease = (await ada.until_state(session_id, "stopped"))["lease"]
        assert lease["end_reason"] == "start-failed"
        assert "not offered any more" in lease["end_detail"]


async def test_a_spawner_that_can_not_list_delays_what_becomes_of_a_start(open_house, monkeypatch):
    session_id, lease_id, _ = await started_and_killed(open_house)
    monkeypatch.setattr(containers_module, "LIST_AGAIN_S", 0.01)
    asked: list[float] = []

    async def fail(_gateway_id: str) -> None:
        asked.append(time.monotonic())
        raise RuntimeError("no daemon")

    async with open_house(agent=NO_AGENT) as house:
        spawner = house.gateway.places.spawners["process"]
        ada = await house.user("ada")
        monkeypatch.setattr(spawner, "list", fail)
        await ada.session()
        await until(lambda: len(asked) > 3)
        assert agents(lease_id) == []
        assert await ada.state(session_id) == "starting"
        monkeypatch.delattr(spawner, "list")
        await until(lambda: agents(lease_id))
