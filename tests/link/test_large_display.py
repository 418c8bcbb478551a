"""A display of 200 MB over a slow line: an interrupt overtakes it, and it comes whole."""

from __future__ import annotations

import pytest
from far_machine import eventually
from far_world import FarWorld
from scripted_cell import follow

SIZE = 200_000_000
RATE_BYTES_PER_S = 1_000_000
"""The display takes minutes, as long as nobody calms the line."""


class PatientWorld(FarWorld):
    """A ping waits its turn behind the display."""

    ping_s = 120.0


@pytest.mark.slow
def test_an_interrupt_overtakes_a_display_of_200_mb_which_comes_whole():
    with PatientWorld() as own_world:
        interrupt_a_display(own_world)


def interrupt_a_display(own_world: FarWorld) -> None:
    shown, stopped = own_world.folder / "shown", own_world.folder / "stopped"
    follow(own_world.start("from IPython.display import display\nimport time"))
    own_world.clients.rate_bytes_per_s = RATE_BYTES_PER_S
    run = own_world.start(f"""
display({{'text/plain': 'x' * {SIZE}}}, raw=True)
open({str(shown)!r}, 'w').close()
try:
    time.sleep(1000)
except KeyboardInterrupt:
    open({str(stopped)!r}, 'w').close()
print('stopped', flush=True)
""")
    eventually(shown.exists)
    run.interrupt()
    eventually(stopped.exists, within_s=0.5 * SIZE / RATE_BYTES_PER_S)
    own_world.calm()
    told = follow(run)
    assert told.end is not None
    assert told.end.error is None
    assert told.broken == 0
    assert [(kind, len(text)) for kind, text in told.shown] == [
        ("display_data", SIZE),
        ("stream", len("stopped\n")),
    ]
