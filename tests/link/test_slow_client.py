"""A client that stands still while its cell shows much: bounded memory, and the journal completes its output."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from far_machine import eventually
from far_world import OwnWorld
from scripted_cell import follow

from farcell.remote_runtime.client.blocking import Client

CLIENT = Path(__file__).with_name("client_program.py")
SHOWN, SIZE = 250, 500_000
MAX_GROWTH_BYTES = 250 << 20
"""The 64 MiB that may wait for a client, a few copies on the way, and what an allocator keeps."""


def test_a_client_that_stands_still_costs_bounded_memory_and_misses_nothing():
    with OwnWorld() as own:
        follow(own.start("from IPython.display import display"))
        own.client.close()
        own.client = Client()
        heard, shown, go = (own.folder / name for name in ("heard", "shown", "go"))
        watched = [psutil.Process(own.gateway.pid), own.agent(own.session())]
        before = [process.memory_info().rss for process in watched]
        client = start_client(own, heard, code(go, shown))
        eventually(lambda: heard.exists() and "begins" in heard.read_text())
        client.send_signal(signal.SIGSTOP)
        go.touch()
        eventually(lambda: own.client.get("/api/kernels")[0]["connections"] == 0)
        eventually(shown.exists)
        grown = [process.memory_info().rss - rss for process, rss in zip(watched, before, strict=True)]
        client.send_signal(signal.SIGCONT)
        client.wait(120)
        assert max(grown) < MAX_GROWTH_BYTES
        assert_whole([json.loads(line) for line in heard.read_text().splitlines()])


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


def start_client(own: OwnWorld, heard: Path, source: str) -> subprocess.Popen[bytes]:
    given = {"execute_id": "slow", "name": "link", "code": source, "file": str(heard)}
    return subprocess.Popen([sys.executable, str(CLIENT), json.dumps(given)])


def assert_whole(told: list[tuple[str, dict]]) -> None:
    displays = [content["data"]["text/plain"] for kind, content in told if kind == "display_data"]
    assert displays == [f"{number:<10}{'x' * 10} {SIZE + 10}" for number in range(SHOWN)]
    assert [kind for kind, _ in told].count("down") >= 1
    assert told[-1] == ["ended", {"error": ""}]
