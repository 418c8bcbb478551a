"""Where Farcell keeps its things."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farcell.remote_runtime import config


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FARCELL_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_the_data_folder_is_the_one_that_is_named(folder):
    assert config.data_dir() == folder


def test_without_a_name_it_is_the_platforms(monkeypatch):
    monkeypatch.setenv("FARCELL_DATA_DIR", "")
    assert config.data_dir().name == "farcell"


def test_a_machine_keeps_its_id(folder):
    first = config.machine_id()
    assert len(first) == 32
    assert config.machine_id() == first
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_kernels_that_start_together_on_a_new_machine_agree_on_its_id():
    with ThreadPoolExecutor(16) as threads:
        ids = set(threads.map(lambda _: config.machine_id(), range(64)))
    assert len(ids) == 1
    assert [path.name for path in config.data_dir().iterdir()] == ["machine-id"]
    assert len(ids.pop()) == 32


def test_a_socket_lies_in_its_folder_unless_that_is_too_long(tmp_path):
    assert config.socket_path(Path("/short")) == Path("/short/agents/gateway.sock")
    long = tmp_path / ("x" * 120)
    found = config.socket_path(long)
    assert len(os.fsencode(found)) <= config.MAX_SOCKET_PATH
    assert config.socket_path(long) == found
    assert config.socket_path(tmp_path / ("y" * 120)) != found


def test_a_private_file_is_replaced_whole_and_is_its_users_alone(tmp_path):
    path = tmp_path / "deep" / "file"
    config.write_private(path, "one")
    config.write_private(path, "zwei")
    assert path.read_text() == "zwei"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("value", "path"), [("a.ipynb", "a.ipynb"), ("", None), (None, None)])
def test_the_notebooks_path_is_what_jupyter_server_tells(monkeypatch, value, path):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    if value is not None:
        monkeypatch.setenv("JPY_SESSION_NAME", value)
    assert config.notebook_path() == path
