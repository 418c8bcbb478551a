"""Every attack inside every kind of walls. What it came to is the table in ``docs/escapes.md``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attacks import ATTACKS, Facts
from docker_engine import DockerEngine
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
    *("other_leases_sockets", "gateways_socket", "engines_socket", "abstract_sockets", "host_loopback"),
    *("disk_fill", "other_processes", "signal_the_agent"),
}
"""What has to succeed without walls, whoever runs the tests: so it is seen that these attacks can."""
Attack = Callable[[Facts], str | None]


@pytest.fixture(scope="module", params=["container", "sandbox"])
def walled_range(
    request: pytest.FixtureRequest, limiting_engine: DockerEngine
) -> Iterator[tuple[str, Range]]:
    level: str = request.param
    config = limiting_engine.config(
        max_processes=LIMITS["processes"],
        max_memory_bytes=LIMITS["memory_bytes"],
        max_disk_bytes=LIMITS["disk_bytes"],
        shm_bytes=LIMITS["shm_bytes"],
        networks={"container": "egress", "sandbox": "egress"},
    )
    targets = {"engine_sockets": [str(limiting_engine.socket)]}
    with shooting_range(
        config, "cpu" if level == "container" else f"cpu --isolation {level}", targets
    ) as made:
        yield level, made


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.__name__ for attack in ATTACKS])
def test_walls_hold(walled_range: tuple[str, Range], escapes: Escapes, attack: Attack):
    level, walled = walled_range
    verdict = walled.run(attack)
    escapes.note(attack, level, verdict.got)
    assert verdict.got is None


@pytest.fixture(scope="module")
def open_range(limiting_engine: DockerEngine) -> Iterator[Range]:
    targets = {"agents_folders": [str(PROGRAM)], "engine_sockets": [str(limiting_engine.socket)]}
    with shooting_range(PROCESS, "cpu", targets) as made:
        yield made


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.__name__ for attack in ATTACKS])
def test_the_process_spawner_has_no_walls_and_says_so(open_range: Range, escapes: Escapes, attack: Attack):
    verdict = open_range.run(attack)
    escapes.note(attack, "none", verdict.got)
    if attack.__name__ in NOTHING_HOLDS:
        assert verdict.got, verdict.why
