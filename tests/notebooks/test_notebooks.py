"""Notebooks as others would write them give the same outputs on the Farcell kernel as on an ordinary one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from far_machine import FarMachine
from farcell_kernel_spec import NAME, install_spec
from notebook_text import read_notebook
from run_notebook import run_notebook

NOTEBOOKS = sorted(Path(__file__).parent.glob("*.md"))


@pytest.fixture(scope="module")
def machine() -> Iterator[FarMachine]:
    """One gateway for all notebooks; each has kernels and a container of its own."""
    with pytest.MonkeyPatch.context() as patch, FarMachine("H100:8") as machine:
        runtime = machine.home / "runtime"
        runtime.mkdir()
        patch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
        install_spec(machine.home / "jupyter")
        patch.setenv("JUPYTER_PATH", str(machine.home / "jupyter"))
        yield machine


def test_there_are_twenty():
    assert len(NOTEBOOKS) == 20


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
async def test_all_outputs_are_an_ordinary_kernels(machine: FarMachine, path: Path, tmp_path: Path):
    ordinary, far = await asyncio.gather(
        run_notebook(read_notebook(path), "python3", tmp_path / "ordinary", machine.environment),
        run_notebook(read_notebook(path), NAME, tmp_path / "far", machine.environment),
    )
    assert far == ordinary
