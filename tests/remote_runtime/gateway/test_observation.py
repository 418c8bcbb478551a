"""What a gateway tells of itself and of sessions: events, metrics, health; and that no token is in any of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from farcell.remote_runtime.api import UserId
from farcell.remote_runtime.gateway import users
from farcell.remote_runtime.gateway.events import QUEUE, Event, EventBus
from farcell.remote_runtime.gateway.handlers import sessions
from farcell.remote_runtime.wire import control

from .conftest import House
from .faces import Face, is_error, until
from .listener import listening
from .played_agent import lease_of, played, token_of

SESSIONS = "/farcell/v1/sessions"


# --- events ---


async def test_a_sessions_life_is_told_as_it_happens(house: House, ada: Face):
    async with listening(ada) as listener:
        session_id = (await ada.session()).json["id"]
        async with played(house, await lease_of(ada, session_id)) as agent:
            await agent.ready()
            assert await listener.until_session(session_id, "idle") == ["starting", "idle"]
            await agent.tell(control.Status(busy=True, idle={}))
            await listener.until_session(session_id, "busy")
        await ada.delete(f"{SESSIONS}/{session_id}")
        assert await listener.until_session(session_id, "stopped") == ["stopping", "stopped"]


async def test_what_is_told_is_what_is_read(ada: Face):
    async with listening(ada) as listener:
        session_id = (await ada.session("T4")).json["id"]
        await ada.delete(f"{SESSIONS}/{session_id}")
        while True:
            _, told = await listener.event()
            if told["state"] == "stopped":
                break
        read = (await ada.get(f"{SESSIONS}/{session_id}")).json
        assert set(told) == set(read)
        assert told["lease"]["end_reason"] == read["lease"]["end_reason"] == "stopped"


async def test_others_events_are_not_told_but_to_operators_who_ask(
    house: House, ada: Face, bob: Face, operator: Face
):
    async with (
        listening(bob, "?all=1") as his,
        listening(operator, "?all=1") as all_of_them,
        listening(ada) as hers,
    ):
        session_id = (await ada.session()).json["id"]
        await hers.until_session(session_id, "starting")
        await all_of_them.until_session(session_id, "starting")
        own = (await bob.session("T4")).json["id"]
        kind, first = await his.event()
        assert (kind, first["id"], first["owner"]) == ("session", own, "bob")


async def test_silence_is_filled_so_that_a_dead_connection_is_seen(
    ada: Face, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sessions, "HEARTBEAT_S", 0.05)
    async with listening(ada) as listener:
        assert await listener.block() == {"": "still here"}


async def test_who_has_gone_is_no_listener_any_more(house: House, ada: Face):
    async with listening(ada):
        assert house.gateway.events.listeners == 1
    await until(lambda: house.gateway.events.listeners == 0)


async def test_a_listener_that_is_behind_is_told_to_read_everything_again():
    bus = EventBus()
    with bus.listen(UserId("ada")) as slow, bus.listen(UserId("ada")) as quick:
        for number in range(QUEUE + 3):
            bus.publish(Event("session", UserId("ada"), {"number": number}))
            assert quick.get_nowait().body == {"number": number}
        assert slow.get_nowait().kind == "reset"
        assert [slow.get_nowait().body["number"] for _ in range(slow.qsize())] == [QUEUE + 1, QUEUE + 2]


# --- metrics ---


async def test_metrics_are_what_prometheus_reads(house: House, ada: Face, operator: Face):
    session_id = (await ada.session("T4")).json["id"]
    lease_id = await lease_of(ada, session_id)
    async with played(house, lease_id) as agent:
        await agent.ready()
        await until(lambda: house.gateway.keeper.find(lease_id).elapsed_ms())
        await agent.tell(control.Usage(uptime_ms=1))
        await agent.hear_order(control.LeaseEnd)
        await ada.get("/farcell/v1/bill")
        answer = await operator.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    t4 = {"offer": "T4", "spawner": "process", "simulated": "true"}
    assert value(families["farcell_offer_total"], t4) == 1
    assert value(families["farcell_offer_free"], t4) == 0
    assert value(families["farcell_sessions"], {"state": "idle"}) == 1
    charged = (await ada.get("/farcell/v1/bill")).json["simulated_nanos"]
    assert value(families["farcell_charged_nanodollars"], {"simulated": "true"}) == charged > 0
    assert "ada" not in answer.text


def value(family: Any, labels: dict[str, str]) -> float:
    return next(sample.value for sample in family.samples if labels.items() <= sample.labels.items())


# --- health ---


async def test_health_is_told_to_anybody_and_says_nothing_of_users(house: House, ada: Face):
    answer = await house.nobody.get("/farcell/v1/health")
    assert (answer.status, answer.json["status"]) == (200, "ok")
    assert set(answer.json) == {"status", "farcell", "wire"}


async def test_everybody_can_ask_who_she_is(house: House, ada: Face, operator: Face):
    assert (await ada.get("/farcell/v1/me")).json["name"] == "ada"
    assert (await operator.get("/farcell/v1/me")).json["role"] == "operator"
    assert is_error(await house.nobody.get("/farcell/v1/me"), 401, "unauthorized")


# --- tokens ---


async def test_no_token_lies_in_the_database_or_in_any_log(
    house: House, ada: Face, caplog: pytest.LogCaptureFixture
):
    """The agent's own file in its lease's folder is where its token is, until the lease ends."""
    caplog.set_level(logging.DEBUG)
    session_id = (await ada.session()).json["id"]
    lease_id = await lease_of(ada, session_id)
    agents_token = await token_of(house, lease_id)
    async with played(house, lease_id) as agent:
        await agent.ready()
        await ada.until_state(session_id, "idle")
    await Face(house.port, "fc_wrong-but-secret").get(f"{SESSIONS}?token={ada.token}")
    await ada.delete(f"{SESSIONS}/{session_id}")
    files = [path for path in house.folder.rglob("*") if path.is_file() and not path.is_socket()]
    assert any(path.name.startswith("gateway.sqlite") for path in files)
    for token in (str(ada.token), agents_token, "fc_wrong-but-secret"):
        assert [path for path in files if token.encode() in path.read_bytes()] == []
        assert token not in caplog.text


async def test_a_removed_token_is_nobodys_at_once(house: House, ada: Face):
    assert (await ada.get(SESSIONS)).status == 200
    await house.gateway.database.write(lambda connection: users.remove_tokens(connection, "ada"))
    assert is_error(await ada.get(SESSIONS), 401, "unauthorized")


async def test_a_gateways_socket_may_lie_in_a_folder_with_a_long_name(open_house, data_dir):
    long = data_dir / ("d" * 120)
    long.mkdir()
    async with open_house(folder=long) as house:
        assert house.gateway.keeper.folders.socket.parent.stat().st_mode & 0o777 == 0o700
        assert (await house.nobody.get("/farcell/v1/health")).status == 200
