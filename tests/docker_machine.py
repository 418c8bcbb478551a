"""Machines whose far cells run in containers of the tests' own engine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docker_engine import NOTEBOOK_IMAGE, DockerEngine
from far_machine import FarMachine
from served_machine import ServedMachine


@contextmanager
def docker_machine(engine: DockerEngine) -> Iterator[FarMachine]:
    """What lies in its folder `shared` is found at the same path in the containers."""
    with tempfile.TemporaryDirectory(prefix="farcell-shared-") as shared:
        Path(shared).chmod(0o777)
        with ServedMachine(engine.config(image=NOTEBOOK_IMAGE, mounts=[(shared, shared, True)])) as machine:
            machine.shared = Path(shared)
            yield machine
