"""``farcell serve``: what it announces, what it refuses, and what goes on without it."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from farcell_command import Person, serve, start_session
from traitlets.config import Config

from farcell.remote_runtime.cli.gateway import Gateway
from farcell.remote_runtime.client.gateway_client import Address, GatewayClient


async def start(url: str, token: str, request: str) -> str:
    with closing(GatewayClient(Address(url, token))) as gateway:
        return await start_session(gateway, request)


def test_it_announces_address_offers_and_how_to_make_the_first_user(person: Person, tmp_path: Path):
    with serve(person, "--folder", str(tmp_path / "served"), "--simulate", "H100:2,T4:4") as served:
        rest = served.process.stdout.readline()
    assert served.url == f"http://127.0.0.1:{served.port}"
    assert "spawners process" in served.announced
    assert "H100 (simulated)  2 of 2" in served.announced
    assert "T4 (simulated)    4 of 4" in served.announced
    assert rest == f"there are no users yet: farcell user add NAME --folder {tmp_path / 'served'}\n"


def test_its_leases_run_on_without_it_and_the_next_one_takes_them_over(person: Person):
    token = person.told("user", "add", "anna").strip()
    with serve(person, "--simulate", "T4") as served:
        session = asyncio.run(start(served.url, token, "T4"))
    with serve(person, "--simulate", "T4") as again:
        person.told("login", again.url, stdin=token)
        assert "idle   T4 (simulated)  analysis.ipynb  $0.0" in person.told("sessions")
        assert session in person.told("sessions")
        person.told("stop", "--all")


def test_its_folder_is_its_own(person: Person):
    """The embedded gateway has another; a second one on the same is refused."""
    with serve(person):
        person.told("offers")
        assert person.told("down") == "ended the gateway\n"
        assert person.farcell("serve").sentence == (
            f"another gateway serves from {person.folder / 'serve'}: stop it, or take another --folder"
        )


def test_a_port_in_use_is_refused_before_anything_is_touched(person: Person):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = person.farcell("serve", "--port", str(port))
    told = answer.err.splitlines()[-1]
    assert told.startswith(f"farcell: can't listen on port {port} of 127.0.0.1 (Address already in use)")
    assert "--port 0" in told
    assert not (person.folder / "serve" / "gateway.sqlite").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gpu.example.org"])
def test_it_listens_to_other_machines_with_tls_or_when_told_to_only(typed, host: str):
    answer = typed("serve", "--host", host)
    assert answer.exit_code == 2
    assert answer.sentence.startswith(f"on {host}, ")
    assert "--certfile" in answer.sentence
    assert "--insecure-no-tls" in answer.sentence


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--keyfile", "k.pem"], "--keyfile needs --certfile"),
        (["--certfile", "missing.pem"], "missing.pem and its key can't be used"),
        (["--gpu-table", "missing.toml"], "the GPU table missing.toml can't be used"),
        (["--simulate", "H1000"], "there is no GPU type 'H1000'; nearest: H100"),
        (["--Gateway.spawners=slurm"], "there is no spawner 'slurm'; installed: "),
        (["--ProcessSpawner.containment=prayer"], "The 'containment' trait of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_it_can_not_serve_with_is_told_in_a_sentence(typed, options, sentence):
    answer = typed("serve", *options)
    assert answer.exit_code == 2
    assert answer.err.splitlines()[-1].removeprefix("farcell: ").startswith(sentence)


def test_a_gateway_that_was_not_told_says_which_spawner_it_took_and_why(person: Person):
    """Its containers run on; so does their spawner, whatever is chosen by then."""
    with serve(person) as served:
        assert "spawners process" in served.announced
        assert "process: the container engine at unix://" in served.announced
    folder = person.folder / "serve"
    database = sqlite3.connect(folder / "gateway.sqlite")
    with closing(database), database:
        database.execute("PRAGMA foreign_keys=OFF")
        columns = (
            "id, session_id, owner_id, offer, spawner, count, devices, simulated, price_nanos_per_s, state"
        )
        values = "'l', 's', 'o', 'cpu', 'docker', 1, '[]', 0, 1, 'running', 'x', '2026-01-31T12:00:00Z', '', '[]', 0"
        more = "token_hash, created_at, end_detail, unsaved, attested_ms"
        database.execute(f"INSERT INTO leases ({columns}, {more}) VALUES ({values})")
    gateway = Gateway(folder=str(folder), config=Config({"DockerSpawner": {"url": "unix:///nowhere.sock"}}))
    chosen = gateway.choose_spawners(gateway.setup(gateway.table()))
    assert chosen.keys() == {"process", "docker"}
    assert chosen["docker"] == "leases of it run still"
