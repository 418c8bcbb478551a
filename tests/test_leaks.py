"""The leak plugin, on a test file of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SOURCE = """
import asyncio, socket, subprocess, threading, time
import leaks, pytest

leaks.GRACE_S = 0.2
KEPT = []

async def test_tidy():
    await asyncio.to_thread(time.sleep, 0)
    process = await asyncio.create_subprocess_exec('true')
    await process.wait()
    with socket.socket():
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))

async def test_leaves_task():
    KEPT.append(asyncio.create_task(asyncio.sleep(60)))

async def test_leaves_thread():
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()

async def test_leaves_process():
    KEPT.append(subprocess.Popen(['sleep', '60']))

async def test_leaves_socket():
    KEPT.append(socket.socket())

@pytest.fixture
async def forgetful():
    KEPT.append(socket.socket())

async def test_fixture_leaves_socket(forgetful):
    pass

@pytest.fixture(scope='module')
def server():
    with socket.socket() as listening:
        yield listening

async def test_tidy_with_wider_fixture(server):
    assert server

def test_sync_is_not_looked_at():
    KEPT.append(socket.socket())

def test_end():
    for kept in KEPT:
        getattr(kept, 'kill', bool)()
"""


def test_what_an_async_test_leaves_behind_is_an_error(pytester: pytest.Pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(SOURCE)
    result = pytester.runpytest_subprocess("-p", "leaks", "-rA")
    errors = set(re.findall(r"^ERROR \S+::test_(\w+)", result.stdout.str(), re.MULTILINE))
    assert errors == {
        "leaves_task",
        "leaves_thread",
        "leaves_process",
        "leaves_socket",
        "fixture_leaves_socket",
    }
    result.assert_outcomes(passed=9, errors=5)
