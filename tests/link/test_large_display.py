"""A large display over a slow line: interrupts and answers overtake it, no ping cuts the link, and it comes whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from far_machine import DEADLINE_S, eventually
from far_world import FarWorld
from scripted_cell import Told, follow

from farcell.remote_runtime.client.cell import CellRun, InputRequest

RATE_BYTES_PER_S = 1_000_000
"""The display takes a minute or more, as long as nobody calms the line."""
PING_S = 2.0
SILENT_S = 6 * PING_S
"""Far longer than a link may be silent."""
SIZE, LARGEST = 50_000_000, 200_000_000

PRELUDE = "import os, threading, time\nfrom IPython.display import display\n"
SHOW = "display({{'text/plain': 'x' * {size}}}, raw=True)\nopen({shown!r}, 'w').close()\n"
STOPPED = """
try:
    time.sleep(1000)
except KeyboardInterrupt:
    open({stopped!r}, 'w').close()
print('stopped', flush=True)
"""


class PingingWorld(FarWorld):
    ping_s = PING_S


@pytest.fixture(scope="module")
def slow_world() -> Iterator[FarWorld]:
    with PingingWorld() as slow_world:
        follow(slow_world.start(PRELUDE))
        yield slow_world


@pytest.fixture
def files(slow_world: FarWorld, request: pytest.FixtureRequest) -> dict[str, str]:
    """What the far cell tells by."""
    return {
        name: str(slow_world.folder / f"{request.node.name}-{name}") for name in ("go", "shown", "stopped")
    }


def eventually_there(path: str) -> None:
    eventually(Path(path).exists)


def still_under_way(world: FarWorld, run: CellRun) -> Told:
    """What has come so far, which is nothing of the display, though no ping is answered that waits behind it."""
    begun = time.monotonic()
    eventually(lambda: time.monotonic() - begun > SILENT_S)
    told = Told()
    while True:
        try:
            told.hear(run.next(0))
        except TimeoutError:
            assert told.shown == []
            world.calm()
            return told


def assert_whole(told: Told, size: int, text: str) -> None:
    assert told.end is not None
    assert told.end.error is None
    assert told.broken == 0
    assert [(kind, len(shown)) for kind, shown in told.shown] == [
        ("display_data", size),
        ("stream", len(text)),
    ]


@pytest.mark.parametrize("size", [SIZE, pytest.param(LARGEST, marks=pytest.mark.slow)])
def test_an_interrupt_overtakes_a_display(slow_world: FarWorld, files: dict[str, str], size: int):
    slow_world.clients.rate_bytes_per_s = RATE_BYTES_PER_S
    run = slow_world.start(SHOW.format(size=size, **files) + STOPPED.format(**files))
    eventually_there(files["shown"])
    run.interrupt()
    eventually_there(files["stopped"])
    assert_whole(follow(run, told=still_under_way(slow_world, run)), size, "stopped\n")


def test_an_answer_overtakes_a_display(slow_world: FarWorld, files: dict[str, str]):
    """The question came before it: another thread of the cell's displays."""
    slow_world.clients.rate_bytes_per_s = RATE_BYTES_PER_S
    show = SHOW.format(size=SIZE, **files).replace("\n", "\n    ")
    run = slow_world.start(f"""
def show():
    while not os.path.exists({files["go"]!r}): time.sleep(0.01)
    {show}
thread = threading.Thread(target=show)
thread.start()
answer = input('?')
open({files["stopped"]!r}, 'w').close()
thread.join()
print(answer, flush=True)
""")
    while not isinstance(question := run.next(DEADLINE_S), InputRequest):
        pass
    Path(files["go"]).touch()
    eventually_there(files["shown"])
    run.answer(question, "yes")
    eventually_there(files["stopped"])
    assert_whole(follow(run, told=still_under_way(slow_world, run)), SIZE, "yes\n")
