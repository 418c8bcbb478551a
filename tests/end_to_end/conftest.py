"""Real notebooks on a real gateway, which the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from far_machine import FarMachine
from notebook_driver import Notebook


@pytest.fixture(scope="module")
def machine() -> Iterator[FarMachine]:
    """For a whole module: two H100, a T4 and eight L4, simulated."""
    with FarMachine() as machine:
        yield machine


@pytest.fixture
def own_machine() -> Iterator[FarMachine]:
    """For one test that ends or breaks things."""
    with FarMachine() as machine:
        yield machine


@pytest.fixture(scope="module")
def notebook(machine: FarMachine) -> Notebook:
    """One notebook for a whole module, whose session ``cpu`` runs already."""
    notebook = machine.notebook()
    assert not notebook.run("%%gpu cpu\nimport os").error
    return notebook
