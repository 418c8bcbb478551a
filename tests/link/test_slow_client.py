"""A client that stands still or is gone while its cell shows 300 MB: bounded memory, and the journal has all of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from far_machine import eventually
from far_world import OwnWorld
from scripted_cell import follow

from farcell.remote_runtime.client.blocking import Client

CLIENT = Path(__file__).with_name("client_program.py")
SHOWN, SIZE = 600, 500_000
MAX_GROWTH_BYTES = 250 << 20
"""Of gateway and agent: the 64 MiB that may wait for a client, a few copies on the way, what an allocator keeps."""
MAX_CLIENT_GROWTH_BYTES = 64 << 20
"""Of a client, which takes 4 MiB of the journal at a time, and has 8 MiB that its notebook has not taken."""


@pytest.fixture
def own() -> Iterator[OwnWorld]:
    with OwnWorld() as own:
        follow(own.start("from IPython.display import display"))
        own.client.close()
        own.client = Client()
        yield own


def test_a_client_that_stands_still_costs_bounded_memory_and_misses_nothing(own: OwnWorld):
    watched = [psutil.Process(own.gateway.pid), own.agent(own.session())]
    before = [process.memory_info().rss for process in watched]
    heard = own.folder / "heard"
    with begun(own, heard) as client:
        client.send_signal(signal.SIGSTOP)
        show(own)
        eventually(lambda: own.client.get("/api/kernels")[0]["connections"] == 0)
        grown = [process.memory_info().rss - rss for process, rss in zip(watched, before, strict=True)]
        client.send_signal(signal.SIGCONT)
        client.wait(120)
    assert max(grown) < MAX_GROWTH_BYTES
    told = read(heard)
    assert [kind for kind, _ in told].count("down") >= 1
    assert_whole(told)


def test_a_client_that_comes_later_is_shown_everything_in_bounded_memory(own: OwnWorld):
    with begun(own, own.folder / "heard") as client:
        client.kill()
    show(own)
    heard = own.folder / "heard later"
    with started(heard, "later", "print('after', flush=True)") as client:
        client.wait(120)
    told = read(heard)
    assert told[0] == ("stream", {"name": "stdout", "text": "begins\n"})
    assert told[-2] == ("stream", {"name": "stdout", "text": "after\n"})
    assert_whole(told)


@contextmanager
def begun(own: OwnWorld, heard: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A client whose cell waits for `show`."""
    with started(heard, "slow", code(own.folder / "go", own.folder / "shown")) as client:
        eventually(lambda: heard.exists() and "begins" in heard.read_text())
        yield client


def show(own: OwnWorld) -> None:
    (own.folder / "go").touch()
    eventually((own.folder / "shown").exists)
    eventually(lambda: own.session().state.value == "idle")


def code(go: Path, shown: Path) -> str:
    return f"""
import os, time
print('begins', flush=True)
while not os.path.exists({str(go)!r}):
    time.sleep(0.01)
for number in range({SHOWN}):
    display({{'text/plain': f'{{number:<10}}' + 'x' * {SIZE}}}, raw=True)
open({str(shown)!r}, 'w').close()
"""


@contextmanager
def started(heard: Path, execute_id: str, source: str) -> Iterator[subprocess.Popen[bytes]]:
    given = {"execute_id": execute_id, "name": "link", "code": source, "file": str(heard)}
    with subprocess.Popen([sys.executable, str(CLIENT), json.dumps(given)]) as client:
        try:
            yield client
        finally:
            client.kill()  # one that is stopped would be waited for


def read(heard: Path) -> list[tuple[str, dict[str, Any]]]:
    return [(kind, content) for kind, content in map(json.loads, heard.read_text().splitlines())]


def assert_whole(told: list[tuple[str, dict[str, Any]]]) -> None:
    displays = [content["data"]["text/plain"] for kind, content in told if kind == "display_data"]
    assert displays == [f"{number:<10}{'x' * 10} {SIZE + 10}" for number in range(SHOWN)]
    kind, end = told[-1]
    assert (kind, end["error"]) == ("ended", "")
    assert end["grown_bytes"] < MAX_CLIENT_GROWTH_BYTES
