"""Schemathesis asks the gateway for whatever its own description allows, and for what it does not.

No answer is the gateway's own fault, each is as described, and a user who is not concerned notices nothing. The kernels
are played, so that the sessions that come of it are cheap.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from soaking import Part, share

from farcell.remote_runtime.gateway.handlers import logs
from farcell.remote_runtime.gateway.users import Role

from .conftest import NO_AGENT, House
from .faces import Face
from .innocent import Innocent, innocent

NEVER_ENDS = "/farcell/v1/events"
BESIDE_THE_POINT = {
    "positive_data_acceptance": "what a schema allows may still name a GPU that does not exist",
    "use_after_free": "a session outlives its DELETE: only its lease ends",
}
REQUESTS = ["H100", "T4", "H100:2", "H100,T4", "24GB", "cpu", "B200", "nonsense"]
SPECS = ["farcell-h100-simulated", "farcell-t4-simulated", "farcell-cpu", "nonsense"]
LONGEST_WAIT_S = 1
"""Of a log that gets no lines here: what waits longer is for the fuzzer an answer that never comes."""
DEADLINE_S = 300.0
SOAK_S = share(600)


@pytest.fixture
def brief_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever may be asked is taken or refused as ever; it is not waited for as long."""
    read = logs._Logs._number

    def brief(handler: logs._Logs, name: str, default: int, most: int) -> int:
        number = read(handler, name, default, most)
        return min(number, LONGEST_WAIT_S) if name == "wait" else number

    monkeypatch.setattr(logs._Logs, "_number", brief)


@pytest.fixture
async def crowded(brief_waits: None, open_house) -> AsyncIterator[House]:
    """A gateway in which whoever is in the queue stays there: to be withdrawn is a 503."""
    async with open_house(agent=NO_AGENT, stock_queue_s=3600.0) as house:
        yield house


async def knowing(face: Face, ids: list[str]) -> dict[str, Any]:
    """The served description, that a fuzzer guesses more often what is there: GPUs, kernel specs, these ids."""
    document = (await face.get("/farcell/v1/openapi.json")).json
    schemas = document["components"]["schemas"]
    _suggest(schemas["SessionSpec"]["properties"], "request", REQUESTS)
    for wish in ("KernelWish", "KernelChoice"):
        _suggest(schemas[wish]["properties"], "name", SPECS)
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    _suggest(parameter, "schema", ids)
    return document


def _suggest(holder: dict[str, Any], name: str, values: list[str]) -> None:
    holder[name] = {"anyOf": [{"enum": values}, holder[name]]}


async def fuzz(face: Face, folder: Path, ids: list[str], *options: str) -> int:
    """How many requests it came to; fails with what schemathesis found, and with how to do it again."""
    (folder / "openapi.json").write_text(json.dumps(await knowing(face, ids)))
    given = [
        "openapi.json",
        f"--url=http://127.0.0.1:{face.port}",
        f"--header=Authorization: Bearer {face.token or 'nonsense'}",
        f"--exclude-path={NEVER_ENDS}",
        "--checks=all",
        f"--exclude-checks={','.join(BESIDE_THE_POINT)}",
        "--continue-on-failure",
        "--suppress-health-check=all",
        "--warnings=off",
        "--no-color",
    ]
    command = [sys.executable, "-m", "schemathesis.cli", "run", *given, *options]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, told.decode()
    return sum(int(count) for count in re.findall(r"(\d+) generated", told.decode()))


async def fuzzers(house: House, other: Innocent) -> dict[str, tuple[Face, list[str]]]:
    """Who asks, and which ids each tries: everybody's, but for the operator, who may end others' sessions."""
    ada, olga = await house.user("ada"), await house.user("olga", Role.OPERATOR)
    own = {face.name: (await face.session("T4")).json["id"] for face in (ada, olga)}
    every = [*own.values(), other.session_id, other.lease_id]
    return {
        "user": (ada, every),
        "operator": (olga, list(own.values())),
        "nobody": (house.nobody, every),
    }


@pytest.mark.parametrize(
    ("who", "phases"),
    [("user", "coverage,fuzzing,stateful"), ("operator", "fuzzing,stateful"), ("nobody", "fuzzing")],
)
async def test_whatever_is_asked(
    crowded: House, who: str, phases: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with asyncio.timeout(DEADLINE_S), innocent(crowded) as other:
        face, ids = (await fuzzers(crowded, other))[who]
        await fuzz(
            face, tmp_path, ids, "--generation-deterministic", "--max-examples=4", f"--phases={phases}"
        )
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR], caplog.text


@pytest.mark.soak("REST")
@pytest.mark.parametrize("who", ["user", "operator", "nobody"])
async def test_whatever_is_asked_for_long(
    crowded: House,
    who: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    soaked: Callable[[str], Part],
):
    async with innocent(crowded) as other:
        face, ids = (await fuzzers(crowded, other))[who]
        soaked("REST").counts["seeds"] += await fuzz(
            face, tmp_path, ids, "--seed=20260101", f"--max-time={SOAK_S}"
        )
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR], caplog.text
