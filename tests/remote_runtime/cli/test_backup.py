"""``farcell backup`` beside a gateway that serves, and what ``farcell backup restore`` makes of it."""

from __future__ import annotations

import asyncio
import stat
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from farcell_command import Person, serve, start_session

from farcell.remote_runtime.client.gateway_client import Address, GatewayClient
from farcell.remote_runtime.gateway.backup import back_up, restore


async def start(url: str, token: str) -> str:
    with closing(GatewayClient(Address(url, token))) as gateway:
        return await start_session(gateway, "cpu")


def test_what_was_backed_up_while_it_served_serves_again(person: Person, tmp_path: Path):
    """People keep their tokens, sessions and bills; what ran is told to be gone."""
    token = person.told("user", "add", "anna").strip()
    file = tmp_path / "gateway.backup"
    anna = Person(person.folder / "anna")
    with serve(person) as served:
        session = asyncio.run(start(served.url, token))
        anna.told("login", served.url, stdin=token)
        assert "1 leases" in person.told("backup", str(file))
        log = anna.told("logs", session)
        anna.told("stop", session)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = tmp_path / "again"
    assert "1 leases" in person.told("backup", "restore", str(file), "--folder", str(again))
    with serve(person, "--folder", str(again)) as served:
        anna.told("login", served.url, stdin=token)
        told = anna.told("sessions")
        assert session in told
        assert "lost" in told
        assert anna.told("logs", session).splitlines()[0] == log.splitlines()[0]
        assert person.farcell("backup", "restore", str(file), "--folder", str(again)).sentence.startswith(
            "a gateway serves"
        )
    sentence = person.farcell("backup", "restore", str(file), "--folder", str(again)).sentence
    assert "has a database already" in sentence


def test_neither_tokens_nor_homes_nor_caches_are_in_it(tmp_path: Path):
    lease = tmp_path / "gateway" / "leases" / "l"
    for name in ("home/secret", "token", "agent.json", "journal/0", "log/0.log", "container.log"):
        (lease / name).parent.mkdir(parents=True, exist_ok=True)
        (lease / name).write_text(name)
    (lease / "log" / "link.log").symlink_to("/etc/passwd")
    (tmp_path / "gateway" / "cache" / "u").mkdir(parents=True)
    assert not back_up(tmp_path / "gateway", tmp_path / "file").database
    with tarfile.open(tmp_path / "file") as archive:
        names = set(archive.getnames())
    assert names == {
        "backup.json",
        *(f"leases/l/{name}" for name in ("journal/0", "log/0.log", "container.log")),
    }
    restore(tmp_path / "file", tmp_path / "again")
    assert (tmp_path / "again/leases/l/journal/0").read_text() == "journal/0"


def test_a_file_that_is_no_backup_is_refused(person: Person, tmp_path: Path):
    (tmp_path / "file").write_text("nothing")
    answer = person.farcell("backup", "restore", str(tmp_path / "file"), "--folder", str(tmp_path / "g"))
    assert "is no backup that can be read" in answer.sentence
    assert (
        "no gateway's folder"
        in person.farcell("backup", str(tmp_path / "x"), "--folder", "/nowhere").sentence
    )


def test_a_file_that_would_write_elsewhere_does_not(tmp_path: Path):
    (tmp_path / "evil").write_text("evil")
    with tarfile.open(tmp_path / "file", "w:gz") as archive:
        (tmp_path / "backup.json").write_text('{"database": false}')
        archive.add(tmp_path / "backup.json", "backup.json")
        archive.add(tmp_path / "evil", "leases/../../escaped")
    with pytest.raises(Exception, match="outside"):
        restore(tmp_path / "file", tmp_path / "g" / "folder")
    assert not (tmp_path / "escaped").exists()
