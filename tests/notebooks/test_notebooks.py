"""Notebooks as others would write them give the same outputs on the Farcell kernel as on an ordinary one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from far_machine import FarMachine
from farcell_kernel_spec import NAME, install_spec
from notebook_text import read_notebook
from run_notebook import started

HERE = Path(__file__).parent
# each line in one kernel, one after the other: starts and large imports are most of what this takes
LINES = {
    "IPython": ("looking_back", "magic_tour", "tracebacks", "own_magics", "warnings_and_logs"),
    "Python": ("bank_ledger", "generators", "event_loop", "threads", "stdout_tricks"),
    "what is shown": ("rich_reprs", "sliders", "progress", "many_scripts"),
    "numbers": ("game_of_life", "sales_table", "temperature_plots"),
    "the system": ("shell_work", "files_and_settings", "worker_processes"),
}


@pytest.fixture(scope="module")
def machine() -> Iterator[FarMachine]:
    """One gateway; each line has kernels and a container of its own."""
    with pytest.MonkeyPatch.context() as patch, FarMachine("H100:8") as machine:
        runtime = machine.home / "runtime"
        runtime.mkdir()
        patch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
        install_spec(machine.home / "jupyter")
        patch.setenv("JUPYTER_PATH", str(machine.home / "jupyter"))
        yield machine


def test_there_are_twenty_and_each_has_its_place():
    placed = [name for line in LINES.values() for name in line]
    assert len(placed) == 20
    assert sorted(placed) == sorted(path.stem for path in HERE.glob("*.md"))


@pytest.mark.parametrize("line", LINES)
async def test_all_outputs_are_an_ordinary_kernels(
    machine: FarMachine, line: str, tmp_path: Path, subtests: pytest.Subtests
):
    environment = machine.environment
    async with (
        started("python3", tmp_path / "ordinary", environment) as ordinary,
        started(NAME, tmp_path / "far", environment) as far,
    ):
        for name in LINES[line]:
            path = HERE / f"{name}.md"
            ordinarily, from_afar = await asyncio.gather(
                ordinary.run(read_notebook(path)), far.run(read_notebook(path))
            )
            with subtests.test(name):
                assert _lines(from_afar) == _lines(ordinarily)


def _lines(normal: dict[str, Any]) -> str:
    """As text, of which pytest shows where it differs."""
    return json.dumps(normal, indent=1, ensure_ascii=False)
