"""``farcell down``: afterwards nothing of the user's runs; before it, nothing is started for nothing."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from pathlib import Path

import psutil
from embedded_gateway import gateway_process
from farcell_command import Person, start_session
from processes import processes_of

from farcell.remote_runtime.client import connect
from farcell.remote_runtime.client.gateway_client import Address
from farcell.remote_runtime.client.locate import forget_login, save_login

ENDED = "ended T4 of analysis.ipynb on T4 (simulated)\nended the gateway\n"


def agents_of(folder: Path) -> list[psutil.Process]:
    """They are called with their lease's folder."""
    running = psutil.process_iter(["cmdline"])
    return [one for one in running if str(folder / "leases") in " ".join(one.info["cmdline"] or [])]


async def start(folder: Path) -> psutil.Process:
    """A session on the embedded gateway, whose process is returned."""
    with closing(await connect()) as gateway:
        await start_session(gateway, "T4")
    return gateway_process(folder)


def test_where_nothing_runs_nothing_is_started(person: Person):
    answer = person.farcell("down")
    assert (answer.exit_code, answer.out, answer.err) == (0, "", "nothing runs\n")
    assert not list(person.folder.iterdir())


async def test_sessions_and_gateway_end_whatever_is_simulated_and_whoever_is_logged_in(
    person: Person, monkeypatch
):
    monkeypatch.setenv("FARCELL_SIMULATE", "T4")
    await start(person.folder)
    save_login(Address("http://127.0.0.1:9", "fc_elsewhere"))
    assert person.told("down", FARCELL_SIMULATE="H100:8") == ENDED
    assert not agents_of(person.folder)
    assert not processes_of(person.folder)
    assert forget_login()


async def test_what_a_killed_gateway_left_behind_is_ended(person: Person, monkeypatch):
    monkeypatch.setenv("FARCELL_SIMULATE", "T4")
    gateway = await start(person.folder)
    os.kill(gateway.pid, signal.SIGKILL)
    gateway.wait(60)
    assert agents_of(person.folder)
    assert person.told("down") == ENDED
    assert not agents_of(person.folder)
    assert not processes_of(person.folder)
    assert person.farcell("down").err == "nothing runs\n"
