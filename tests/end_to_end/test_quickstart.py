"""``make demo``: the quickstart runs, shows each output, and leaves nothing running."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from layout import ROOT
from notebook_driver import DEADLINE_S
from processes import processes_of

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Iterator[Path]:
    """A copy of the examples, so that its data lies apart from those of a demo that somebody runs."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(ROOT / "examples", folder / "examples")
    yield folder
    assert not processes_of(folder / "build" / "demo")


def start(demo: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"HOME": str(demo), "IPYTHONDIR": str(demo / "ipython"), "COLUMNS": "100"}
    return subprocess.Popen(
        [sys.executable, demo / "examples" / "run_quickstart.py"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_it_runs_shows_its_outputs_and_the_bill_and_leaves_nothing_running(demo: Path):
    text, _ = start(demo).communicate(timeout=3 * DEADLINE_S)
    for shown in (
        r"Simulated devices are used|This machine has",
        r"This notebook's kernel is process \d+, and the far one is \d+",
        r"no descendant of this notebook's kernel",
        r"training: 100%",
        r"\[image/png, \d+ x \d+, \d+ kB\]",
        r"ZeroDivisionError: division by zero",
        r"this notebook: \$",
        r"All \d+ cells did what they should",
    ):
        assert re.search(shown, text), f"{shown!r} is not in:\n{text}"
    assert not processes_of(demo / "build" / "demo")


def test_an_interrupt_ends_everything(demo: Path):
    runner = start(demo)
    assert runner.stdout is not None
    for line in runner.stdout:
        if "no descendant" in line:
            break
    runner.send_signal(signal.SIGINT)
    rest, _ = runner.communicate(timeout=DEADLINE_S)
    assert runner.returncode == 128 + signal.SIGINT
    assert "everything that the demo started was ended" in rest
    assert "Traceback" not in rest
    assert not processes_of(demo / "build" / "demo")


def test_a_cell_that_does_not_do_what_it_should_fails_the_demo(demo: Path):
    path = demo / "examples" / "quickstart.ipynb"
    notebook = nbformat.read(path, as_version=4)
    (raising,) = [cell for cell in notebook.cells if "raises-exception" in cell.metadata.get("tags", [])]
    raising.source = "%%gpu\n1 / 1"
    nbformat.write(notebook, path)
    runner = start(demo)
    text, _ = runner.communicate(timeout=3 * DEADLINE_S)
    assert runner.returncode == 1
    assert "The demo failed. the cell raised nothing" in text
    assert not processes_of(demo / "build" / "demo")


def test_the_notebook_is_kept_with_its_outputs_and_without_this_machine():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    text = NOTEBOOK.read_text()
    assert str(Path.home()) + "/" not in text
    assert str(ROOT) not in text
