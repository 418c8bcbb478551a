"""What was written for a session: its build, its container, agent and kernel; at once, or as it comes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from patience import DEADLINE_S

from farcell.remote_runtime.api import Image, LeaseId
from farcell.remote_runtime.api.image import Step, StepKind
from farcell.remote_runtime.client.logs import LogPart, LogWish, follow
from farcell.remote_runtime.errors import GatewayUnreachable
from farcell.remote_runtime.gateway.lease_folders import LeaseFolders
from farcell.remote_runtime.gateway.session_logs import Cursor, LogFiles
from farcell.remote_runtime.logs.writer import LogWriter
from farcell.remote_runtime.spawners.containment import is_agent, labels_of

from .conftest import House, Open
from .faces import Face, until
from .played_agent import lease_of, token_of

SESSIONS = "/farcell/v1/sessions"
AT = "2026-01-31T12:00:00.000Z"
SHOWN = AT.replace("T", " ")


@pytest.fixture
async def session(house: House, ada: Face) -> str:
    session_id = (await ada.session()).json["id"]
    await token_of(house, await lease_of(ada, session_id))
    return str(session_id)


@pytest.fixture
async def lease(house: House, ada: Face, session: str) -> Path:
    """Its folder, in which the tests write what agents would."""
    return house.gateway.keeper.folders.lease(await lease_of(ada, session))


async def log(face: Face, session_id: str, query: str = "") -> Any:
    answer = await face.get(f"{SESSIONS}/{session_id}/logs{query}")
    assert answer.status == 200, answer
    return answer.json


def write(lease: Path, source: str, text: str) -> None:
    writer = LogWriter(lease / "log", now=lambda: AT)
    writer.put(source, text.encode())
    writer.close()


async def test_a_sessions_log_is_what_its_processes_wrote(open_house: Open):
    async with open_house(agent=("/bin/sh", "-c", "echo h\xe9llo; printf '\\377'; exec sleep 600")) as house:
        ada = await house.user("ada")
        session_id = (await ada.session()).json["id"]
        lease_id = await lease_of(ada, session_id)
        await token_of(house, lease_id)
        file = house.gateway.keeper.folders.lease(lease_id) / "container.log"
        await until(lambda: file.exists() and file.stat().st_size == 8)
        answer = await log(ada, session_id)
        assert (answer["lease"], answer["log"], answer["over"]) == (lease_id, "h\xe9llo\n\ufffd\n", False)
        await ada.delete(f"{SESSIONS}/{session_id}")
        assert (await log(ada, session_id))["log"] == answer["log"], "also when it has ended"
        assert (await ada.get(f"/farcell/v1/logs/{lease_id}")).json["log"] == answer["log"]
        assert await log(ada, session_id, f"?cursor={answer['cursor']}") == {
            **answer,
            "log": "",
            "over": True,
        }
        eve = await house.user("eve")
        for path in (f"/farcell/v1/logs/{lease_id}", "/farcell/v1/logs/none"):
            assert (await eve.get(path)).status == 404


async def told(face: Face, path: str, fact: Callable[[Any], bool]) -> Any:
    """What is answered once it holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not fact(answer := (await face.get(path)).json):  # noqa: ASYNC110 (asked over HTTP)
            await asyncio.sleep(0.05)
    return answer


async def test_a_real_agent_and_its_kernel_write_where_it_is_read(open_house: Open):
    async with open_house() as house:
        ada = await house.user("ada")
        session_id = (await ada.session()).json["id"]
        await told(ada, f"{SESSIONS}/{session_id}", lambda session: session["state"] == "idle")
        say_past_the_messages(await lease_of(ada, session_id))
        await told(ada, f"{SESSIONS}/{session_id}/logs", lambda answer: "said past" in answer["log"])
        await ada.delete(f"{SESSIONS}/{session_id}")
        lines = (await log(ada, session_id))["log"].splitlines()
        assert any("kernel    | said past the messages" in line for line in lines), lines
        assert any("agent     | INFO" in line and "ends: stopped" in line for line in lines), lines


def say_past_the_messages(lease_id: str) -> None:
    """As a dying interpreter does, into what was the kernel's stderr before ipykernel took that over."""
    agent = next(pid for pid in psutil.pids() if is_agent(pid) and labels_of(pid).lease_id == lease_id)
    theirs = set(pipes(agent).values())
    for kernel in psutil.Process(agent).children():
        for descriptor, pipe in pipes(kernel.pid).items():
            if pipe in theirs:
                descriptor.write_bytes(b"said past the messages\n")
                return
    raise AssertionError(f"no kernel of agent {agent} has its pipe")


def pipes(pid: int) -> dict[Path, str]:
    found = {path: str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()}
    return {path: target for path, target in found.items() if target.startswith("pipe:")}


# --- what is told ---


async def test_lines_are_marked_where_there_is_more_than_one_source(lease: Path, ada: Face, session: str):
    write(lease, "agent", "INFO hello\n")
    assert (await log(ada, session))["log"] == f"{SHOWN} INFO hello\n"
    write(lease, "kernel", "libcuda\n")
    (lease / "container.log").write_text("before all\n")
    os.utime(lease / "container.log", (1, 1))
    assert (await log(ada, session))["log"].splitlines() == [
        "container | before all",
        f"{SHOWN} agent     | INFO hello",
        f"{SHOWN} kernel    | libcuda",
    ]
    assert (await log(ada, session, "?source=kernel"))["log"] == f"{SHOWN} libcuda\n"


async def test_what_a_container_says_at_its_death_comes_last(lease: Path, ada: Face, session: str):
    write(lease, "agent", "INFO hello\n")
    (lease / "container.log").write_text("Fatal Python error\n")
    later = time.time() + 100
    os.utime(lease / "container.log", (later, later))
    assert (await log(ada, session))["log"].splitlines()[-1] == "container | Fatal Python error"


async def test_the_last_lines_alone(lease: Path, ada: Face, session: str):
    write(lease, "kernel", "".join(f"{number}\n" for number in range(50_000)))
    words = (await log(ada, session, "?lines=3"))["log"].split()
    assert [int(word) for word in words[2::3]] == [49_997, 49_998, 49_999]
    assert len((await log(ada, session, "?lines=20000"))["log"].splitlines()) == 20_000
    assert len((await log(ada, session))["log"]) <= 256 << 10


async def test_behind_a_cursor_comes_what_was_written_since(lease: Path, ada: Face, session: str):
    write(lease, "kernel", "one\n")
    cursor = (await log(ada, session))["cursor"]
    waiting = asyncio.create_task(log(ada, session, f"?cursor={cursor}&wait=30"))
    write(lease, "kernel", "two\n")
    answer = await waiting
    assert answer["log"] == f"{SHOWN} kernel    | two\n"
    assert (await log(ada, session, f"?cursor={answer['cursor']}"))["log"] == ""


async def test_who_waits_is_told_of_the_end(lease: Path, ada: Face, session: str):
    cursor = (await log(ada, session))["cursor"]
    waiting = asyncio.create_task(log(ada, session, f"?cursor={cursor}&wait=30"))
    await ada.delete(f"{SESSIONS}/{session}")
    assert (await waiting)["over"]


async def test_a_cursor_outlives_its_gateway(open_house: Open):
    async with open_house(end=False, agent=("/bin/sh", "-c", "exec sleep 600")) as house:
        ada = await house.user("ada")
        session_id = (await ada.session()).json["id"]
        lease_id = await lease_of(ada, session_id)
        await token_of(house, lease_id)
        folder = house.gateway.keeper.folders.lease(lease_id)
        write(folder, "kernel", "before\n")
        cursor = (await log(ada, session_id))["cursor"]
    write(folder, "kernel", "meanwhile\n")
    async with open_house(agent=("/bin/sh", "-c", "exec sleep 600")) as house:
        ada = await house.user("ada")
        assert (await log(ada, session_id, f"?cursor={cursor}"))["log"] == f"{SHOWN} kernel    | meanwhile\n"


@pytest.mark.parametrize(
    "query",
    ["cursor=nonsense", "cursor=a:b:c:d", "cursor=:1:2", "lines=-1", "lines=x", "wait=999", "source=disk"],
)
async def test_what_can_not_be_meant_is_refused(ada: Face, session: str, query: str):
    assert (await ada.get(f"{SESSIONS}/{session}/logs?{query}")).status == 400


async def test_a_session_without_a_lease_has_an_empty_log(ada: Face):
    await ada.session("T4")
    queued = (await ada.session("T4", name="second")).json["id"]
    assert await log(ada, queued) == {"lease": None, "log": "", "cursor": ":0:0:0", "over": False}


def test_the_build_of_its_image_comes_first(tmp_path: Path):
    folders = LeaseFolders(tmp_path)
    image = Image(steps=(Step(StepKind.PIP, ("torch",)),))
    folders.build_log(image.digest).parent.mkdir()
    folders.build_log(image.digest).write_text("Step 1\nStep 2\n")
    lines, cursor = folders.log_files(None, image.digest).read(Cursor())
    assert [(line.source, line.text) for line in lines] == [("build", "Step 1"), ("build", "Step 2")]
    write(folders.lease(LeaseId("l1")), "agent", "INFO hello\n")
    lines, _ = folders.log_files(LeaseId("l1"), image.digest).read(cursor)
    assert [(line.source, line.text) for line in lines] == [("agent", "INFO hello")]


def test_another_lease_is_told_from_its_beginning(tmp_path: Path):
    for name in ("a", "b"):
        write(tmp_path / name, "agent", f"INFO {name}\n")
    _, cursor = LogFiles(None, LeaseId("a"), tmp_path / "a").read(Cursor())
    lines, _ = LogFiles(None, LeaseId("b"), tmp_path / "b").read(replace(cursor, log=cursor.log + 5))
    assert [line.text for line in lines] == ["INFO b"]


# --- what is kept ---


def test_of_a_sessions_older_leases_as_many_logs_are_kept_as_fit(tmp_path: Path):
    folders = LeaseFolders(tmp_path)
    leases = [LeaseId(f"l{number}") for number in range(5)]
    for lease_id in leases:
        write(folders.lease(lease_id), "kernel", "x" * 1000 + "\n")
    folders.trim_logs(leases, 2500)
    assert [bool(folders.log_tail(lease_id)) for lease_id in leases] == [True, True, False, False, False]
    folders.trim_logs(leases, 1)
    assert folders.log_tail(leases[0]), "the newest stays, whatever it takes"


def test_old_logs_go_but_not_those_of_a_lease_that_runs(tmp_path: Path):
    folders = LeaseFolders(tmp_path)
    runs, ended, fresh = LeaseId("runs"), LeaseId("ended"), LeaseId("fresh")
    for lease_id in (runs, ended, fresh):
        write(folders.lease(lease_id), "kernel", "x\n")
        (folders.lease(lease_id) / "journal").mkdir()
    build = folders.build_log("0" * 64)
    build.parent.mkdir()
    build.write_text("x")
    for path in (build, *folders.lease(runs).glob("log/*"), *folders.lease(ended).glob("log/*")):
        os.utime(path, (1, 1))
    assert folders.remove_old_logs([runs], 86_400) == 2
    assert folders.log_tail(runs)
    assert folders.log_tail(fresh)
    assert not folders.log_tail(ended)
    assert not build.exists()
    assert folders.journal(ended).is_dir(), "a journal is its session's"


# --- following, as clients do ---


def test_following_goes_on_where_the_link_broke():
    parts = iter(
        [
            LogPart("one\n", "c1", over=False),
            None,
            LogPart("", "c1", over=False),
            LogPart("two\n", "c2", over=True),
        ]
    )
    asked: list[LogWish] = []
    lost: list[str] = []

    def ask(wish: LogWish) -> LogPart:
        asked.append(wish)
        part = next(parts)
        if part is None:
            raise GatewayUnreachable("away")
        return part

    assert list(follow(ask, LogWish(lines=5), lambda error: lost.append(error.message))) == ["one\n", "two\n"]
    assert [wish.cursor for wish in asked] == ["", "c1", "c1", "c1"]
    assert lost == ["away"]
