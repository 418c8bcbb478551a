"""``farcell down``: afterwards nothing of the user's runs; before it, nothing is started for nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psutil
from embedded_gateway import gateway_process, session_spec
from farcell_command import Person
from processes import processes_of

from farcell.remote_runtime.client import connect
from farcell.remote_runtime.client.gateway_client import Address
from farcell.remote_runtime.client.locate import forget_login, save_login

ENDED = "ended T4 of analysis.ipynb on T4 (simulated)\nended the gateway\n"


def agents_of(folder: Path) -> list[psutil.Process]:
    """They are called with their lease's folder."""
    running = psutil.process_iter(["cmdline"])
    return [one for one in running if str(folder / "leases") in " ".join(one.info["cmdline"] or [])]


async def start_session(folder: Path) -> psutil.Process:
    """A session on the embedded gateway, whose process is returned."""
    gateway = await connect()
    try:
        session = await gateway.post_json("/farcell/v1/sessions", session_spec("T4"))
        while session["state"] != "idle":
            await asyncio.sleep(0.05)
            session = await gateway.get_json(f"/farcell/v1/sessions/{session['id']}")
    finally:
        gateway.close()
    return gateway_process(folder)


def test_where_nothing_runs_nothing_is_started(person: Person):
    answer = person.farcell("down")
    assert (answer.exit_code, answer.out, answer.err) == (0, "", "nothing runs\n")
    assert not list(person.folder.iterdir())


async def test_sessions_and_gateway_end_whatever_is_simulated_and_whoever_is_logged_in(
    person: Person, monkeypatch
):
    monkeypatch.setenv("FARCELL_SIMULATE", "T4")
    await start_session(person.folder)
    save_login(Address("http://127.0.0.1:9", "fc_elsewhere"))
    assert person.told("down", FARCELL_SIMULATE="H100:8") == ENDED
    assert not agents_of(person.folder)
    assert not processes_of(person.folder)
    assert forget_login()


async def test_what_a_killed_gateway_left_behind_is_ended(person: Person, monkeypatch):
    monkeypatch.setenv("FARCELL_SIMULATE", "T4")
    gateway = await start_session(person.folder)
    os.kill(gateway.pid, signal.SIGKILL)
    gateway.wait(10)
    assert agents_of(person.folder)
    assert person.told("down") == ENDED
    assert not agents_of(person.folder)
    assert not processes_of(person.folder)
    assert person.farcell("down").err == "nothing runs\n"
