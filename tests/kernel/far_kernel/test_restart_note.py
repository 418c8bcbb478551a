"""Who starts soon after a kernel was told to end, for the same notebook and from the same parent, is its restart."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from farcell.kernel.far_kernel import restart_note

TAKE = "import sys, time; from farcell.kernel.far_kernel import restart_note; print(restart_note.take(sys.argv[1]))"
LEAVE = "import sys; from farcell.kernel.far_kernel import restart_note; restart_note.leave(sys.argv[1])"


@pytest.fixture(autouse=True)
def _own_folder(data_dir: Path) -> None:
    """Notes are left in the data folder."""


def ran(code: str, notebook: str = "/a.ipynb") -> str:
    """In a process of its own, whose parent is this one."""
    done = subprocess.run([sys.executable, "-c", code, notebook], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_start_right_after_is_a_restart_and_the_one_after_it_is_none():
    ran(LEAVE)
    assert ran(TAKE) == "True"
    assert ran(TAKE) == "False"


def test_another_notebook_is_no_restart():
    ran(LEAVE)
    assert ran(TAKE, "/b.ipynb") == "False"


def test_another_parent_is_no_restart():
    ran(LEAVE)
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {TAKE!r}, '/a.ipynb'])"
    assert ran(code) == "False"


def test_a_start_that_was_a_little_faster_than_the_end_is_a_restart(data_dir: Path):
    ran(LEAVE)
    date_back(data_dir, -5)
    assert ran(TAKE) == "True"


def test_a_start_that_comes_late_is_no_restart(data_dir: Path):
    ran(LEAVE)
    date_back(data_dir, restart_note.WITHIN_S + 60)
    assert ran(TAKE) == "False"


def test_a_process_that_was_there_before_is_no_restart(data_dir: Path):
    """Two kernels of one notebook: that one of them ends says nothing about the other."""
    ran(LEAVE)
    date_back(data_dir, -restart_note.BEFORE_S - 60)
    assert ran(TAKE) == "False"


def date_back(data_dir: Path, seconds: float) -> None:
    (note,) = (data_dir / "kernels").iterdir()
    told = json.loads(note.read_text())
    told["at"] -= seconds
    note.write_text(json.dumps(told))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"at": "now"}', "\0"])
def test_a_note_that_can_not_be_read_is_none(data_dir: Path, text: str):
    restart_note.leave("/a.ipynb")
    (note,) = (data_dir / "kernels").iterdir()
    note.write_text(text)
    assert not restart_note.take("/a.ipynb")


def test_notes_are_private(data_dir: Path):
    restart_note.leave("/a.ipynb")
    (note,) = (data_dir / "kernels").iterdir()
    assert note.stat().st_mode & 0o077 == 0
    assert note.parent.stat().st_mode & 0o077 == 0
