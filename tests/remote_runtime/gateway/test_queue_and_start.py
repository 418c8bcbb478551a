"""From a request to a container: found again, queued, withdrawn, started, failed; containers whose agents stay away."""

from __future__ import annotations

import asyncio

import pytest

from farcell.remote_runtime.api import GatewayId, LeaseId, SessionId
from farcell.remote_runtime.errors import StartFailed
from farcell.remote_runtime.gateway.options import LeaseTimes
from farcell.remote_runtime.spawners.contract import ContainerSpec
from farcell.remote_runtime.wire import control

from .conftest import NO_AGENT, House
from .faces import Face, close_code, is_error, until
from .played_agent import lease_of, played, token_of

SESSIONS = "/farcell/v1/sessions"


async def containers(house: House) -> list[str]:
    spawner = house.gateway.places.spawners["process"]
    return [container.lease_id for container in await spawner.list(house.gateway.id)]


# --- asking again ---


async def test_asking_at_once_makes_one_session_with_one_lease(house: House, ada: Face):
    answers = await asyncio.gather(*(ada.session() for _ in range(5)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["id"] for answer in answers}) == 1
    await lease_of(ada, answers[0].json["id"])
    assert len((await ada.get("/farcell/v1/leases")).json["leases"]) == 1


async def test_another_name_path_machine_or_user_is_another_session(ada: Face, bob: Face):
    asked = [
        ada.session(),
        ada.session(name="other"),
        ada.session(path="b.ipynb"),
        ada.session(machine="desktop"),
        bob.session(),
    ]
    assert len({answer.json["id"] for answer in await asyncio.gather(*asked)}) == 5


async def test_the_same_name_with_another_request_is_refused_and_changes_nothing(ada: Face):
    first = (await ada.session(settings={"idle_s": 100})).json
    answer = await ada.session("T4", settings={"idle_s": 7})
    assert is_error(answer, 409, "session-holds-other")
    assert answer.json["details"] == {"name": "main", "holds": "H100"}
    after = (await ada.get(f"{SESSIONS}/{first['id']}")).json
    assert (after["request"], after["settings"]["idle_s"]) == (first["request"], 100)


async def test_a_running_session_is_found_also_when_its_offer_is_gone(house: House, ada: Face):
    first = (await ada.session()).json["id"]
    house.gateway.places.scheduler.update([])
    house.gateway.places._read_at = float("inf")
    assert (await ada.session()).json["id"] == first
    assert is_error(await ada.session(name="other"), 409, "no-such-offer")


async def test_new_settings_reach_the_agent(house: House, ada: Face):
    session_id = (await ada.session()).json["id"]
    lease_id = await lease_of(ada, session_id)
    async with played(house, lease_id) as agent:
        await agent.ready()
        await ada.session(settings={"idle_s": 17})
        assert (await agent.hear_order(control.Settings)).idle_s == 17


async def test_after_its_end_a_session_is_found_again_with_a_new_lease(house: House, ada: Face):
    first = (await ada.session()).json["id"]
    lease_id = await lease_of(ada, first)
    await ada.delete(f"{SESSIONS}/{first}")
    assert (await ada.session("T4")).json["id"] == first
    assert await lease_of(ada, first) != lease_id
    assert len((await ada.get("/farcell/v1/leases")).json["leases"]) == 2


async def test_who_asks_while_it_ends_gets_the_next_lease(house: House, ada: Face):
    session_id = (await ada.session()).json["id"]
    lease_id = await lease_of(ada, session_id)
    _, asked = await asyncio.gather(ada.delete(f"{SESSIONS}/{session_id}"), ada.session())
    assert asked.json["id"] == session_id
    await until(lambda: house.gateway.keeper.live.get(session_id))
    assert await lease_of(ada, session_id) != lease_id


# --- the queue ---


async def test_who_finds_no_device_is_told_the_place_and_the_reason(ada: Face, bob: Face):
    await ada.session("T4")
    second = (await ada.session("T4", name="second")).json
    third = (await bob.session("T4")).json
    assert second["state"] == third["state"] == "queued"
    assert third["queue"]["place"] == 1, "who holds nothing goes before who holds something"
    second = (await ada.get(f"{SESSIONS}/{second['id']}")).json
    assert second["queue"]["place"] == 2
    assert "T4" in second["queue"]["reason"]


async def test_a_free_device_starts_the_next(house: House, ada: Face, bob: Face):
    first = (await ada.session("T4")).json["id"]
    second = (await bob.session("T4")).json["id"]
    assert await bob.state(second) == "queued"
    await ada.delete(f"{SESSIONS}/{first}")
    await bob.until_state(second, "starting")
    assert (await bob.get(f"{SESSIONS}/{second}")).json["queue"] is None


async def test_who_leaves_the_queue_makes_room_behind(house: House, ada: Face, bob: Face):
    await ada.session("T4")
    second = (await ada.session("T4", name="second")).json["id"]
    third = (await ada.session("T4", name="third")).json["id"]
    async with ada.channels(second) as channels:
        await ada.delete(f"{SESSIONS}/{second}")
        assert (await channels.read()).content["execution_state"] == "dead"
        assert await close_code(channels.connection) == (4410, "stopped")
    assert await ada.state(second) == "stopped"
    assert (await ada.get(f"{SESSIONS}/{third}")).json["queue"]["place"] == 1


@pytest.mark.parametrize("verb", ["keep", "interrupt", "restart"])
async def test_what_needs_a_container_says_that_there_is_none_yet(ada: Face, verb: str):
    await ada.session("T4")
    queued = (await ada.session("T4", name="second")).json["id"]
    path = f"{SESSIONS}/{queued}/keep" if verb == "keep" else f"/api/kernels/{queued}/{verb}"
    answer = await ada.post(path, {"seconds": 1})
    assert is_error(answer, 409, "conflict")
    assert "queued" in answer.json["message"]


# --- stopping what starts ---


@pytest.mark.parametrize("turns", [0, 1, 3, 10, 30])
async def test_who_stops_a_session_while_it_starts_leaves_nothing(house: House, ada: Face, turns: int):
    """After any number of turns of the event loop."""
    regular = set(house.gateway.keeper._background._tasks)
    session_id = (await ada.session()).json["id"]
    for _ in range(turns):
        await asyncio.sleep(0)
    live = house.gateway.keeper.live[SessionId(session_id)]
    await ada.delete(f"{SESSIONS}/{session_id}")
    assert await ada.state(session_id) == "stopped"
    await until(lambda: house.gateway.keeper._background._tasks <= regular)
    assert live.over.is_set()
    assert await containers(house) == []
    assert all(lease["state"] == "ended" for lease in (await ada.get("/farcell/v1/leases")).json["leases"])
    offers = (await ada.get("/farcell/v1/offers")).json["offers"]
    assert all(offer["count_free"] == offer["count_total"] for offer in offers)


async def test_stopping_again_or_what_does_not_run_is_silent(ada: Face):
    session_id = (await ada.session()).json["id"]
    answers = await asyncio.gather(*(ada.delete(f"{SESSIONS}/{session_id}") for _ in range(3)))
    assert [answer.status for answer in answers] == [200] * 3
    assert (await ada.delete(f"{SESSIONS}/{session_id}")).json["state"] == "stopped"


# --- what can't start ---


async def ended_lease(face: Face, session_id: str) -> dict:
    session = await face.until_state(session_id, "stopped", "lost")
    return session["lease"]


async def test_an_agent_that_exits_fails_the_start_with_what_it_said(open_house):
    async with open_house(agent=("/bin/sh", "-c", "echo no luck today >&2; sleep 0.2; exit 3")) as house:
        ada = await house.user("ada")
        session_id = (await ada.session()).json["id"]
        async with ada.channels(session_id) as channels:
            lease = await ended_lease(ada, session_id)
            assert (await channels.read()).content["execution_state"] == "dead"
            assert await close_code(channels.connection) == (4410, "start-failed")
        assert lease["end_reason"] == "start-failed"
        assert "no luck today" in lease["end_detail"]
        assert "no luck today" in (await ada.get(f"{SESSIONS}/{session_id}/logs")).json["log"]
        assert (await ada.get("/farcell/v1/bill")).json["lines"] == [] or lease["attested_ms"] == 0
        assert await containers(house) == []


async def test_an_agent_that_never_comes_is_given_up(open_house):
    async with open_house(agent=NO_AGENT, times=LeaseTimes(start_s=0.5)) as house:
        ada = await house.user("ada")
        lease = await ended_lease(ada, (await ada.session()).json["id"])
        assert lease["end_reason"] == "start-failed"
        assert "0.5 s" in lease["end_detail"]
        assert await containers(house) == []


async def test_it_is_given_up_also_by_the_next_gateway(open_house):
    async with open_house(agent=NO_AGENT, end=False) as house:
        ada = await house.user("ada")
        session_id = (await ada.session()).json["id"]
        await token_of(house, await lease_of(ada, session_id))
    async with open_house(agent=NO_AGENT, times=LeaseTimes(start_s=0.5)) as house:
        ada = await house.user("ada")
        assert (await ended_lease(ada, session_id))["end_reason"] == "start-failed"
        assert await containers(house) == []


@pytest.mark.parametrize("python", ["/nowhere/python", "python", "/etc/passwd"])
async def test_an_interpreter_that_is_none_fails_the_start(house: House, ada: Face, python: str):
    session_id = (await ada.session(image={"python": python})).json["id"]
    lease = await ended_lease(ada, session_id)
    assert lease["end_reason"] == "start-failed"
    assert python in lease["end_detail"]
    assert await containers(house) == []


async def test_a_spawner_that_fails_in_its_own_way_fails_the_start(house: House, ada: Face, monkeypatch):
    async def start(_spec: ContainerSpec) -> None:
        raise RuntimeError("the spawner is broken")

    monkeypatch.setattr(house.gateway.places.spawners["process"], "start", start)
    lease = await ended_lease(ada, (await ada.session()).json["id"])
    assert lease["end_reason"] == "start-failed"
    assert "log" in lease["end_detail"]


async def test_a_spawner_that_refuses_is_quoted_and_the_device_is_free(house: House, ada: Face, monkeypatch):
    async def start(_spec: ContainerSpec) -> None:
        raise StartFailed("the place is full")

    monkeypatch.setattr(house.gateway.places.spawners["process"], "start", start)
    assert (await ended_lease(ada, (await ada.session("T4")).json["id"]))["end_detail"] == "the place is full"
    monkeypatch.undo()
    await ada.until_state((await ada.session("T4", name="other")).json["id"], "starting")


async def test_a_container_that_can_not_be_stopped_at_once_is_stopped_later(
    house: House, ada: Face, monkeypatch
):
    spawner = house.gateway.places.spawners["process"]
    stop, calls = spawner.stop, []

    async def reluctant(lease_id: LeaseId) -> None:
        calls.append(lease_id)
        if len(calls) < 3:
            raise RuntimeError("not now")
        await stop(lease_id)

    monkeypatch.setattr(spawner, "stop", reluctant)
    session_id = (await ada.session()).json["id"]
    await token_of(house, await lease_of(ada, session_id))
    await ada.delete(f"{SESSIONS}/{session_id}")
    assert len(calls) >= 3
    assert await containers(house) == []


# --- the truth ---


async def test_a_container_without_a_lease_is_stopped(house: House, ada: Face, caplog):
    folder = house.folder / "leases" / "stray"
    folder.mkdir(parents=True, mode=0o700)
    spawner = house.gateway.places.spawners["process"]
    stray = ContainerSpec(
        gateway_id=house.gateway.id,
        session_id=SessionId("session"),
        lease_id=LeaseId("stray"),
        owner="ada",
        offer="cpu",
        devices=(),
        folder=folder,
        cache=house.folder / "cache",
        socket=house.gateway.keeper.folders.socket,
        token="secret",
    )
    await spawner.start(stray)
    kept = await lease_of(ada, (await ada.session()).json["id"])
    await token_of(house, kept)
    await house.gateway.keeper.reconcile()
    assert await containers(house) == [kept]
    assert "lease stray" in caplog.text


async def test_another_gateways_containers_are_left_alone(house: House, ada: Face):
    spawner = house.gateway.places.spawners["process"]
    await token_of(house, await lease_of(ada, (await ada.session()).json["id"]))
    assert await spawner.list(GatewayId("another")) == []
    await house.gateway.keeper.reconcile()
    assert len(await containers(house)) == 1


async def test_a_lease_without_a_container_ends(house: House, ada: Face):
    session_id = (await ada.session()).json["id"]
    lease_id = await lease_of(ada, session_id)
    async with played(house, lease_id) as agent:
        await agent.ready()
        await ada.until_state(session_id, "idle")
    await house.gateway.places.spawners["process"].stop(lease_id)
    await house.gateway.keeper.reconcile()
    lease = await ended_lease(ada, session_id)
    assert lease["end_reason"] == "lost"
    assert await ada.state(session_id) == "lost"


async def test_a_spawner_that_can_not_list_ends_no_lease_until_it_can(house: House, ada: Face, monkeypatch):
    session_id = (await ada.session()).json["id"]
    lease_id = await lease_of(ada, session_id)

    async def fail(_gateway_id: GatewayId) -> None:
        raise RuntimeError("no answer")

    spawner = house.gateway.places.spawners["process"]
    async with played(house, lease_id) as agent:
        await agent.ready()
        await ada.until_state(session_id, "idle")
        monkeypatch.setattr(spawner, "list", fail)
    live = house.gateway.keeper.find(lease_id)
    await until(lambda: not live.link.connected)
    await spawner.stop(lease_id)
    await house.gateway.keeper.reconcile()
    assert await ada.state(session_id) == "idle"
    monkeypatch.undo()
    assert (await ended_lease(ada, session_id))["end_reason"] == "lost"
