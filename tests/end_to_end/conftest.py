"""Real notebooks on a real gateway, which the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from inspect import signature
from pathlib import Path

import pytest
from docker_machine import docker_machine
from far_machine import FarMachine
from notebook_driver import Notebook

IN_CONTAINERS_TOO = ("test_input", "test_interrupts", "test_output", "test_tab", "test_verbs", "test_widgets")
"""The modules whose notebooks run in real containers, too; but for tests that look at the machine behind them."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "machine" in metafunc.fixturenames:
        # without a scope: a module's own machine may be one for each test
        metafunc.parametrize("machine", _kinds(metafunc), indirect=True)


def _kinds(metafunc: pytest.Metafunc) -> list[str]:
    module = metafunc.module.__name__.rpartition(".")[2]
    if module.startswith("test_docker_"):
        return ["docker"]
    cells_alone = "machine" not in signature(metafunc.function).parameters
    return ["process", "docker"] if cells_alone and module in IN_CONTAINERS_TOO else ["process"]


@pytest.fixture(scope="module")
def machine(request: pytest.FixtureRequest) -> Iterator[FarMachine]:
    """For a whole module: two H100, a T4 and eight L4, simulated."""
    if request.param == "process":
        made: AbstractContextManager[FarMachine] = FarMachine()
    else:
        made = docker_machine(request.getfixturevalue("docker_engine"))
    with made as machine:
        yield machine


@pytest.fixture
def tmp_path(machine: FarMachine, tmp_path: Path) -> Path:
    """One that the machine's cells find at the same path."""
    if machine.shared is None:
        return tmp_path
    folder = machine.shared / tmp_path.name
    folder.mkdir()
    folder.chmod(0o777)
    return folder


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
