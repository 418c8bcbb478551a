"""Walls as a gateway keeps them: asked for, held, opened to the network, and there again after a restart."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from farcell.remote_runtime.api import GpuTable, Isolation, Network, Offer
from farcell.remote_runtime.spawners.process import ProcessSpawner

from . import conftest
from .conftest import NO_AGENT, House
from .faces import DEADLINE_S, is_error, until
from .played_agent import lease_of

SESSIONS = "/farcell/v1/sessions"
BOTH = (Isolation.CONTAINER, Isolation.SANDBOX)


class Walled(ProcessSpawner):
    """Says that it makes walls."""

    networks = {Isolation.CONTAINER: Network.parse("egress"), Isolation.SANDBOX: Network.parse("none")}  # noqa: RUF012

    async def offers(self, table: GpuTable) -> list[Offer]:
        offers = await super().offers(table)
        return [replace(offer, isolation=Isolation.CONTAINER, isolations=BOTH) for offer in offers]


@pytest.fixture
def walled(monkeypatch):
    monkeypatch.setattr(conftest, "ProcessSpawner", Walled)


@pytest.fixture
async def walled_house(walled, open_house):
    async with open_house(agent=NO_AGENT) as house:
        yield house


def socket_of(house: House, lease_id: str) -> Path:
    return house.folder / "leases" / lease_id / "egress" / "proxy.sock"


async def asked(socket: Path, target: str) -> str:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()
        await writer.wait_closed()


async def answered(socket: Path, target: str) -> str:
    """As soon as somebody listens."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return await asked(socket, target)
            except (FileNotFoundError, ConnectionRefusedError):
                await asyncio.sleep(0.01)


async def test_where_nothing_isolates_walls_are_refused_with_who_would_make_them(house):
    ada = await house.user("ada")
    for walls, why in (
        ({"network": "none"}, "--network none"),
        ({"isolation": "sandbox"}, "--isolation sandbox"),
    ):
        answer = await ada.session(walls=walls)
        assert is_error(answer, 409, "no-such-offer")
        assert why in answer.json["message"]
        assert "such as docker" in answer.json["message"]
    assert (await ada.session(walls={"isolation": "none"})).status == 200


async def test_what_can_not_be_meant_is_refused(house):
    ada = await house.user("ada")
    assert is_error(await ada.session(walls={"network": "https://pypi.org"}), 400, "bad-request")
    assert is_error(await ada.session(walls={"isolation": "vm"}), 400, "bad-request")


async def test_a_running_session_keeps_its_walls_and_who_asks_for_none_takes_them(walled_house):
    ada = await walled_house.user("ada")
    walls = {"isolation": "sandbox", "network": "pypi.org"}
    session = (await ada.session(walls=walls)).json
    assert session["walls"] == walls
    for same in ({}, walls, {"network": "pypi.org"}):
        assert (await ada.session(walls=same)).json["walls"] == walls
    answer = await ada.session(walls={"network": "egress"})
    assert is_error(answer, 409, "session-holds-other")
    assert answer.json["message"] == (
        "session main runs with --network pypi.org --isolation sandbox, not --network egress: "
        "add -n NAME for a second session, or end this one with %gpu stop main"
    )
    await ada.delete(f"{SESSIONS}/{session['id']}")
    again = (await ada.session(walls={"network": "egress"})).json
    assert again["walls"]["network"] == "egress"
    await lease_of(ada, again["id"])


async def test_what_a_spawner_gives_unasked_may_be_asked_for_later(walled_house):
    ada = await walled_house.user("ada")
    await lease_of(ada, (await ada.session()).json["id"])
    for same in ({"network": "egress"}, {"isolation": "container"}):
        assert (await ada.session(walls=same)).status == 200
    assert is_error(await ada.session(walls={"isolation": "sandbox"}), 409, "session-holds-other")


@pytest.mark.parametrize(
    ("walls", "said"),
    [
        ({}, "HTTP/1.1 403 10.0.0.1 is refused: it is a private address, which no --network opens"),
        ({"network": "pypi.org"}, "HTTP/1.1 403 10.0.0.1 is refused: it is not among this session's hosts"),
    ],
)
async def test_a_lease_with_a_way_out_has_a_proxy_from_start_to_end(walled_house, walls, said):
    ada = await walled_house.user("ada")
    session = (await ada.session(walls=walls)).json
    lease = await lease_of(ada, session["id"])
    socket = socket_of(walled_house, lease)
    assert (await answered(socket, "10.0.0.1:443")).startswith(said)
    await ada.delete(f"{SESSIONS}/{session['id']}")
    assert not socket.exists()
    log = socket.parents[1] / "egress.log"
    assert f"lease {lease}: 10.0.0.1:443 refused: 10.0.0.1" in log.read_text()


@pytest.mark.parametrize("walls", [{"network": "none"}, {"isolation": "sandbox"}])
async def test_a_lease_without_a_way_out_has_none(walled_house, walls):
    ada = await walled_house.user("ada")
    lease = await lease_of(ada, (await ada.session(walls=walls)).json["id"])
    await until((walled_house.folder / "leases" / lease).exists)
    assert not socket_of(walled_house, lease).parent.exists()


async def test_after_a_restart_walls_are_kept_and_the_way_out_is_open_again(walled, open_house):
    walls = {"network": "pypi.org"}
    async with open_house(agent=NO_AGENT, end=False) as house:
        ada = await house.user("ada")
        session = (await ada.session(walls=walls)).json
        socket = socket_of(house, await lease_of(ada, session["id"]))
        await answered(socket, "evil.org:443")
        assert (await ada.session()).json["walls"]["network"] == "pypi.org"
    with pytest.raises(ConnectionRefusedError):
        await asked(socket, "evil.org:443")
    async with open_house(agent=NO_AGENT) as house:
        ada = await house.user("ada")
        assert "evil.org is refused: it is not among this session's hosts (pypi.org)" in (
            await asked(socket, "evil.org:443")
        )
        found = (await ada.get(f"{SESSIONS}/{session['id']}")).json
        assert found["walls"] == {"isolation": None, "network": "pypi.org"}


async def test_builds_have_a_way_out_where_there_are_walls(walled_house):
    socket = walled_house.folder / "builds" / "egress" / "proxy.sock"
    assert "10.0.0.1 is refused: it is a private address" in await asked(socket, "10.0.0.1:443")


async def test_without_walls_there_is_no_proxy_at_all(house):
    assert not (house.folder / "builds").exists()
