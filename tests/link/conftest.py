"""Real gateways, agents and kernels behind links that break."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from far_world import FarWorld


@pytest.fixture(scope="module")
def world() -> Iterator[FarWorld]:
    """For all tests of a module, one at a time."""
    with FarWorld() as world:
        yield world
