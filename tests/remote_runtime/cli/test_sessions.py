"""Two users of one gateway, each with her own sessions, and an operator who sees both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from farcell_command import Person, serve, start_session
from processes import processes_of

from farcell.remote_runtime.client.gateway_client import Address, GatewayClient


@dataclass(frozen=True, slots=True)
class Users:
    anna: Person
    ben: Person
    olga: Person
    annas_session: str


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Users]:
    """Anna has a session with a container, Ben has nothing, Olga is an operator."""
    folder = tmp_path_factory.mktemp("data")
    operator = Person(folder)
    tokens = {name: operator.told("user", "add", name).strip() for name in ("anna", "ben")}
    tokens["olga"] = operator.told("user", "add", "olga", "--operator").strip()
    people = {name: Person(folder / name) for name in tokens}
    with serve(operator, "--simulate", "H100") as served:
        for name, person in people.items():
            person.told("login", served.url, stdin=tokens[name])
        yield Users(**people, annas_session=asyncio.run(start(served.url, tokens["anna"])))
        people["anna"].told("stop", "--all")
    assert not processes_of(folder)


async def start(url: str, token: str) -> str:
    with closing(GatewayClient(Address(url, token))) as gateway:
        return await start_session(gateway, "H100")


def test_sessions_are_listed_to_their_owner_and_to_operators_who_ask(users: Users):
    own = users.anna.told("sessions")
    for fact in (users.annas_session, "H100 (simulated)", "analysis.ipynb", "idle"):
        assert fact in own
    assert users.ben.told("sessions") == users.olga.told("sessions") == ""
    assert f"anna   {own.splitlines()[1].split()[0]}" in users.olga.told("sessions", "--all")
    sentence = users.ben.farcell("sessions", "--all").sentence
    assert sentence == "everybody's sessions are for operators; ben is none"


@pytest.mark.parametrize("command", ["logs", "stop"])
def test_of_another_users_session_there_is_nothing_to_see_and_nothing_to_stop(users: Users, command: str):
    for word in (users.annas_session, "H100"):
        assert users.ben.farcell(command, word).sentence.startswith("there is no session")
    assert "idle" in users.anna.told("sessions")


def test_logs_tell_of_the_one_session_that_runs_and_are_cut_as_asked(users: Users):
    told = users.anna.told("logs")
    assert "kernel-1.json" in told, "what ipykernel says before its first message"
    assert users.anna.told("logs", "-n", "1") == told.splitlines(keepends=True)[-1]
    assert users.anna.told("logs", "--build") == ""
    assert users.ben.farcell("logs").sentence == "there are no sessions yet, and so no logs"


def test_stopping_all_stops_ones_own(users: Users):
    assert users.ben.told("stop", "--all") == ""
    assert "idle" in users.anna.told("sessions")


def test_a_session_is_found_by_its_name_and_stopped_by_operators_by_its_id(users: Users):
    """Who follows its log is told of that, and no longer."""
    assert users.anna.told("logs", "H100") == users.olga.told("logs", users.annas_session)
    stopped = "stopped H100 of analysis.ipynb on H100 (simulated)\n"
    with users.anna.begin("logs", "-f") as following:
        assert following.stdout is not None
        assert " kernel    | " in following.stdout.readline()
        assert users.olga.told("stop", users.annas_session) == stopped
        assert "ends: stopped" in following.stdout.read()
        assert following.wait() == 0
    assert " stopped " in users.anna.told("sessions")
