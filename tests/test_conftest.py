"""The fixtures that every part's tests lean on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import processes_of


def test_a_component_that_is_there_is_handed_on(require):
    assert Path(require("sh", "starts things")).is_file()
    assert require("device", "computes", found=True) == "device"


def test_a_missing_component_skips_with_its_reason(require, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is missing: it does things"):
        require("no-such-program", "it does things")


def test_a_missing_component_fails_under_ci(require, monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="sh is missing: its daemon is down"):
        require("sh", "its daemon is down", found=False)


def test_the_data_folder_is_empty_and_in_use(data_dir: Path):
    assert list(data_dir.iterdir()) == []
    assert os.environ["FARCELL_DATA_DIR"] == str(data_dir)


def test_a_process_of_the_data_folder_is_found(data_dir: Path):
    waits = [sys.executable, "-c", "input(input())"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"here\n")
        child.stdin.flush()
        assert child.stdout.read(4) == b"here"
        assert [process.pid for process in processes_of(data_dir)] == [child.pid]
        child.communicate(b"\n")
    assert processes_of(data_dir) == []
