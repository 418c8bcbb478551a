"""Real agents and real kernels: cells, interrupts, restarts, idleness, deaths of agents and of the gateway itself."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from farcell.remote_runtime.gateway.users import Role

from .conftest import House
from .faces import DEADLINE_S, Channels, Face, Told, close_code, execute_content, is_error, until
from .gateway_process import gateway_process, new_user
from .listener import listening

SESSIONS = "/farcell/v1/sessions"


@pytest.fixture
async def real(open_house) -> AsyncIterator[House]:
    async with open_house() as house:
        yield house


@pytest.fixture
async def eve(real: House) -> Face:
    return await real.user("eve")


async def started(face: Face, request: str = "H100", **wishes: object) -> str:
    session_id = str((await face.session(request, **wishes)).json["id"])
    await face.until_state(session_id, "idle")
    return session_id


def text_of(told: list[Told]) -> str:
    return "".join(one.content["text"] for one in told if one.type == "stream")


async def bill(face: Face) -> dict:
    return (await face.get("/farcell/v1/bill")).json


def container_processes(folder: Path) -> list[psutil.Process]:
    """Whatever runs with a home in one of this folder's leases."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME", "").startswith(str(folder / "leases")):
                found.append(process)
        except psutil.Error:
            continue
    return [process for process in found if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


async def agent_of(channels: Channels) -> int:
    """The kernel's parent."""
    return int(await channels.value("__import__('os').getppid()"))


async def test_a_cell_streams_keeps_state_and_fails_as_in_a_notebook(real: House, eve: Face):
    session_id = await started(eve)
    async with eve.channels(session_id) as channels:
        told = await channels.execute("x = 41\nprint('one'); print('two')")
        assert text_of(told) == "one\ntwo\n"
        assert [one.type for one in told if one.channel == "shell"] == ["execute_reply"]
        assert told[-1].type in ("status", "execute_reply")
        assert await channels.value("x + 1") == "42"
        failed = await channels.execute("1 / 0")
        assert [one.content["ename"] for one in failed if one.type == "error"] == ["ZeroDivisionError"]
    async with eve.channels(session_id) as again:
        assert await again.value("x") == "41"
    lines = (await bill(eve))["lines"]
    assert [line["status"] for line in lines if line["execute_id"]] == ["ok", "ok", "error", "ok"]


async def test_an_interrupt_reaches_a_cell_that_sleeps_and_a_restart_forgets(real: House, eve: Face):
    session_id = await started(eve)
    async with eve.channels(session_id) as channels:
        await channels.execute("y = 1")
        msg_id = await channels.send(
            "execute_request", execute_content("import time\nprint('in')\ntime.sleep(60)")
        )
        await eve.until_state(session_id, "busy")
        while (await channels.read()).type != "stream":
            pass
        assert (await eve.post(f"/api/kernels/{session_id}/interrupt")).status == 204
        errors = [one for one in await channels.answers(msg_id) if one.type == "error"]
        assert errors[0].content["ename"] == "KeyboardInterrupt"
        answer = await eve.post(f"/api/kernels/{session_id}/restart")
        assert (answer.status, answer.json["id"]) == (200, session_id)
        assert await channels.value("'y' in globals()") == "False"
    leases = (await eve.get("/farcell/v1/leases")).json["leases"]
    assert [lease["state"] for lease in leases] == ["running"]


async def test_a_kernel_that_dies_is_replaced_in_the_same_container(real: House, eve: Face):
    session_id = await started(eve)
    async with eve.channels(session_id) as channels:
        await channels.send("execute_request", execute_content("import os, signal; os.kill(os.getpid(), 9)"))
        while not (
            (told := await channels.read()).type == "status"
            and told.content["execution_state"] == "restarting"
        ):
            pass
        assert await channels.value("'os' in globals()") == "False"
    assert len((await eve.get("/farcell/v1/leases")).json["leases"]) == 1


async def test_two_users_see_nothing_of_each_other_and_an_operator_all(real: House, eve: Face):
    mallory, olga = await real.user("mallory"), await real.user("olga", Role.OPERATOR)
    session_id = await started(eve)
    async with eve.channels(session_id) as channels:
        await channels.execute("print('secret', flush=True)")
    for ask in (
        mallory.get(f"{SESSIONS}/{session_id}"),
        mallory.delete(f"{SESSIONS}/{session_id}"),
        mallory.get(f"{SESSIONS}/{session_id}/logs"),
        mallory.post(f"{SESSIONS}/{session_id}/keep", {"seconds": 1}),
        mallory.get(f"/api/kernels/{session_id}"),
        mallory.delete(f"/api/kernels/{session_id}"),
        mallory.post(f"/api/kernels/{session_id}/interrupt"),
        mallory.post(f"/api/kernels/{session_id}/restart"),
        mallory.refused_websocket(f"/api/kernels/{session_id}/channels", "v1.kernel.websocket.jupyter.org"),
    ):
        missing = await ask
        assert is_error(missing, 404, "session-not-found")
        assert session_id in missing.json["message"]
    absent = (await mallory.get(f"{SESSIONS}/nobody")).json["message"].replace("nobody", session_id)
    assert (await mallory.get(f"{SESSIONS}/{session_id}")).json["message"] == absent, "no hint that it exists"
    for face in (mallory, olga):
        assert (await face.get(SESSIONS)).json == {"sessions": []}
        assert (await face.get("/farcell/v1/leases")).json == {"leases": []}
        assert (await face.get("/api/kernels")).json == []
        assert (await bill(face))["lines"] == []
    assert (await mallory.get(f"{SESSIONS}?all=1")).json == {"sessions": []}
    assert (await mallory.get("/farcell/v1/leases?all=1")).json == {"leases": []}
    assert [one["id"] for one in (await olga.get(f"{SESSIONS}?all=1")).json["sessions"]] == [session_id]
    assert len((await olga.get("/farcell/v1/leases?all=1")).json["leases"]) == 1
    assert (await olga.get(f"{SESSIONS}/{session_id}")).json["owner"] == "eve"
    assert await eve.state(session_id) == "idle"


async def test_idleness_is_warned_of_by_name_and_ends_the_lease(real: House, eve: Face):
    session_id = await started(eve, settings={"idle_s": 1.0})
    async with eve.channels(session_id) as channels, listening(eve) as listener:
        await channels.execute("weights = [1, 2]\nstep = 3")
        seen = set()
        async with asyncio.timeout(DEADLINE_S):
            while (session := (await listener.event())[1])["state"] != "stopped":
                idle = session["idle"]
                if idle and idle["warned"]:
                    seen.update(idle["unsaved"])
        assert {"weights", "step"} <= seen
        assert session["lease"]["end_reason"] == "idle"
        assert {"weights", "step"} <= set(session["lease"]["unsaved"])
        assert await close_code(channels.connection) == (4410, "idle")
    assert container_processes(real.folder) == []


async def test_keep_postpones_the_idle_end(real: House, eve: Face):
    session_id = await started(eve)
    assert (await eve.post(f"{SESSIONS}/{session_id}/keep", {"seconds": 3600})).status == 200
    assert (await eve.session(settings={"idle_s": 0.6})).json["id"] == session_id
    async with asyncio.timeout(DEADLINE_S):
        while True:
            session = (await eve.get(f"{SESSIONS}/{session_id}")).json
            assert session["state"] == "idle"
            if session["idle"] and min(one["quiet_s"] for one in session["idle"]["signals"]) > 1.5:
                break
            await asyncio.sleep(0.05)
    assert not session["idle"]["warned"]
    await eve.post(f"{SESSIONS}/{session_id}/keep", {"seconds": 0})
    await eve.until_state(session_id, "stopped")


async def test_an_agent_that_is_killed_loses_the_lease_and_no_more(real: House, eve: Face):
    session_id = await started(eve)
    async with eve.channels(session_id) as channels:
        pid = await agent_of(channels)
        await channels.execute(
            "import subprocess, sys\nsubprocess.Popen(['sleep', '600'], start_new_session=True)"
        )
        await channels.send("execute_request", execute_content("import time; time.sleep(600)"))
        await eve.until_state(session_id, "busy")
        before = await bill(eve)
        os.kill(pid, signal.SIGKILL)
        states = []
        while (told := await channels.read()) is not None:
            states.append(told.content.get("execution_state"))
        assert states[-1] == "dead"
        assert await close_code(channels.connection) == (4410, "lost")
    session = await eve.until_state(session_id, "lost")
    lease = session["lease"]
    assert (lease["state"], lease["end_reason"]) == ("ended", "lost")
    assert container_processes(real.folder) == []
    after = await bill(eve)
    assert before["simulated_nanos"] <= after["simulated_nanos"] == session["cost_nanos"]
    steps = -(-lease["attested_ms"] // 100)
    assert after["simulated_nanos"] == lease["price_nanos_per_s"] * steps // 10
    offers = (await eve.get("/farcell/v1/offers")).json["offers"]
    assert all(offer["count_free"] == offer["count_total"] for offer in offers)
    assert await started(eve) == session_id


async def test_a_file_that_is_no_python_fails_the_start_with_what_was_said(open_house, tmp_path: Path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho this is no snake >&2\nexit 7\n")
    program.chmod(0o755)
    async with open_house() as house:
        ada = await house.user("ada")
        session_id = (await ada.session(image={"python": str(program)})).json["id"]
        lease = (await ada.until_state(session_id, "stopped"))["lease"]
        assert lease["end_reason"] == "start-failed"
        assert "this is no snake" in lease["end_detail"]
        assert (await bill(ada))["simulated_nanos"] == 0


async def test_stopping_says_goodbye_and_bills_to_the_nano_dollar(real: House, eve: Face):
    session_id = await started(eve)
    async with eve.channels(session_id) as channels:
        await channels.execute("z = 1")
        stopped = (await eve.delete(f"{SESSIONS}/{session_id}")).json
        assert await close_code(channels.connection) == (4410, "stopped")
    assert stopped["state"] == "stopped"
    assert stopped["lease"]["unsaved"] == ["z"]
    total = await bill(eve)
    assert total["total_nanos"] == 0, "simulated money is never real"
    assert sum(line["cost_nanos"] for line in total["lines"]) == total["simulated_nanos"] > 0
    assert (await eve.get(f"{SESSIONS}/{session_id}")).json["cost_nanos"] == total["simulated_nanos"]
    assert container_processes(real.folder) == []
    left = {path.name for path in (real.folder / "leases" / stopped["lease"]["id"]).iterdir()}
    assert left <= {"container.log", "journal", "log"}


# --- the gateway's own death ---


async def test_a_killed_gateway_leaves_everything_to_the_next(data_dir: Path):
    token = await new_user(data_dir)
    async with gateway_process(data_dir) as (first, port):
        ada = Face(port, token)
        session_id = await started(ada, "H100:2")
        async with ada.channels(session_id) as channels:
            await channels.execute("kept = 'intact'")
            kernel = await channels.value("__import__('os').getpid()")
        lease = (await ada.get(f"{SESSIONS}/{session_id}")).json["lease"]
        billed = (await bill(ada))["simulated_nanos"]
        first.kill()
        await first.wait()
    assert container_processes(data_dir), "leases run on"
    async with gateway_process(data_dir) as (second, port):
        ada = Face(port, token)
        assert (await ada.session("H100:2")).json["id"] == session_id
        other = (await ada.session("H100", name="other")).json
        assert other["state"] == "queued", "its devices are still held"
        await ada.delete(f"{SESSIONS}/{other['id']}")
        async with ada.channels(session_id) as channels:
            assert await channels.value("kept") == "intact"
            assert await channels.value("__import__('os').getpid()") == kernel
        again = (await ada.get(f"{SESSIONS}/{session_id}")).json["lease"]
        assert (again["id"], again["ready_at"]) == (lease["id"], lease["ready_at"])
        ended = (await ada.delete(f"{SESSIONS}/{session_id}")).json
        total = (await bill(ada))["simulated_nanos"]
        steps = -(-ended["lease"]["attested_ms"] // 100)
        assert total == ended["lease"]["price_nanos_per_s"] * steps // 10 > billed, "no gap, nothing twice"
        second.terminate()
        assert await second.wait() == 0
    assert container_processes(data_dir) == []


async def test_what_dies_while_no_gateway_is_there_is_found_dead(data_dir: Path):
    token = await new_user(data_dir)
    async with gateway_process(data_dir) as (first, port):
        ada = Face(port, token)
        session_id = await started(ada)
        async with ada.channels(session_id) as channels:
            pid = await agent_of(channels)
        first.kill()
        await first.wait()
    os.kill(pid, signal.SIGKILL)
    async with gateway_process(data_dir) as (_, port):
        ada = Face(port, token)
        assert (await ada.until_state(session_id, "lost"))["lease"]["end_reason"] == "lost"
        await until(lambda: not container_processes(data_dir))
