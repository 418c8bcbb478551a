"""The login, and which gateway is the user's."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from farcell.remote_runtime import config
from farcell.remote_runtime.client import embedded, locate
from farcell.remote_runtime.client.gateway_client import Address
from farcell.remote_runtime.client.locate import connect, forget_login, logged_in, save_login
from farcell.remote_runtime.embedded_facts import EmbeddedFacts
from farcell.remote_runtime.errors import Conflict, GatewayNotRunning

THERE = Address("https://gateway.example", "secret", Path("/etc/ca.pem"), trusted=True)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FARCELL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("FARCELL_SIMULATE", raising=False)
    return tmp_path / "data"


@pytest.mark.parametrize("address", [THERE, Address("http://127.0.0.1:1", "t")])
def test_a_login_is_found_again(address):
    save_login(address)
    assert logged_in() == address


def test_a_login_is_its_users_alone(folder):
    save_login(THERE)
    assert stat.S_IMODE((folder / "login.json").stat().st_mode) == 0o600


def test_a_logout_forgets_it_and_says_whether_there_was_one():
    save_login(THERE)
    assert forget_login()
    assert not forget_login()
    assert logged_in() is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"url": "x"}', '{"token": "x"}', '"text"'])
def test_a_login_that_cannot_be_read_is_none(folder, text):
    folder.mkdir()
    (folder / "login.json").write_text(text)
    assert logged_in() is None


async def test_the_login_goes_before_an_embedded_gateway(folder):
    EmbeddedFacts("http://127.0.0.1:9", "embedded", 1).write(folder)
    save_login(Address("http://gateway.example", "secret"))
    client = await connect()
    assert client.address.url == "http://gateway.example"
    client.close()


async def test_without_a_gateway_none_is_started_where_that_is_not_wanted(folder):
    with pytest.raises(GatewayNotRunning, match="farcell login"):
        await connect(start=False)
    assert not folder.exists()


async def test_a_gateway_that_was_killed_is_not_taken_for_one(folder):
    EmbeddedFacts("http://127.0.0.1:9", "embedded", 1).write(folder)
    with pytest.raises(GatewayNotRunning):
        await connect(start=False)


async def test_an_embedded_gateway_is_started_where_none_runs(monkeypatch):
    started = Address("http://127.0.0.1:9", "new", local=True)
    monkeypatch.setattr(embedded, "start", lambda: started)
    client = await connect()
    assert client.address == started
    client.close()


@pytest.mark.parametrize(
    ("runs", "asked", "sentence"),
    [
        ("", "H100:2", "your gateway simulates no devices"),
        ("T4:1", "H100:2", "your gateway simulates T4:1"),
    ],
)
def test_a_gateway_that_simulates_something_else_is_refused(folder, monkeypatch, runs, asked, sentence):
    EmbeddedFacts("http://127.0.0.1:9", "t", 1, runs).write(folder)
    monkeypatch.setenv("FARCELL_SIMULATE", asked)
    with pytest.raises(Conflict, match=sentence):
        embedded.running()
    assert embedded.address() is not None


def test_facts_of_an_embedded_gateway_are_found_again_and_are_its_users_alone(folder):
    facts = EmbeddedFacts("http://127.0.0.1:9", "t", 7, "T4:1")
    facts.write(folder)
    assert EmbeddedFacts.read(folder) == facts
    assert stat.S_IMODE((folder / "embedded.json").stat().st_mode) == 0o600
    EmbeddedFacts.remove(folder)
    EmbeddedFacts.remove(folder)
    assert EmbeddedFacts.read(folder) is None


@pytest.mark.parametrize(
    "text", ["", "[]", json.dumps({"url": "x", "token": "t", "pid": "no", "simulate": ""})]
)
def test_facts_that_cannot_be_read_are_none(folder, text):
    config.make_private(folder)
    (folder / "embedded.json").write_text(text)
    assert EmbeddedFacts.read(folder) is None
    assert locate.logged_in() is None
