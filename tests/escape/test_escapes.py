"""Every attack inside every kind of walls. What it came to is the table in ``docs/escapes.md``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attacks import ATTACKS, Facts
from escaping import Escapes
from shooting_range import LIMITS, Range, shooting_range

from farcell import remote_runtime

PROCESS = f"""
c.Gateway.spawners = ["process"]
c.ProcessSpawner.max_processes = {LIMITS["processes"]}
c.ProcessSpawner.max_memory_bytes = {LIMITS["memory_bytes"]}
"""
PROGRAM = Path(remote_runtime.__file__).parent
NOTHING_HOLDS = {
    *("host_files", "other_leases_files", "agents_files", "agents_program"),
    *("other_leases_sockets", "gateways_socket", "abstract_sockets", "host_loopback"),
    *("disk_fill", "other_processes", "signal_the_agent"),
}
"""What has to succeed without walls, whoever runs the tests: so it is seen that these attacks can."""
Attack = Callable[[Facts], str | None]


@pytest.fixture(scope="module")
def open_range() -> Iterator[Range]:
    with shooting_range(PROCESS, "cpu", {"agents_folders": [str(PROGRAM)]}) as made:
        yield made


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.__name__ for attack in ATTACKS])
def test_the_process_spawner_has_no_walls_and_says_so(open_range: Range, escapes: Escapes, attack: Attack):
    verdict = open_range.run(attack)
    escapes.note(attack, "none", verdict.got)
    if attack.__name__ in NOTHING_HOLDS:
        assert verdict.got, verdict.why
