"""The list in setup.cfg is written by hand; here it is held against the folders."""

from __future__ import annotations

import json
import tomllib
from importlib.metadata import entry_points, version

from layout import PACKAGES, ROOT, import_name, sources

import farcell


def test_every_package_is_listed_and_every_listed_package_exists():
    assert set(PACKAGES) == {import_name(path) for path in sources() if path.name == "__init__.py"}


def test_every_folder_with_sources_is_a_package():
    assert {path.parent for path in sources()} == {
        path.parent for path in sources() if path.name == "__init__.py"
    }


def test_the_list_is_sorted():
    assert sorted(PACKAGES) == PACKAGES


def test_both_halves_have_one_version():
    manifest = json.loads((ROOT / "labextension/package.json").read_text())
    assert farcell.__version__ == version("farcell") == manifest["version"]
    assert "version" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_process_spawner_is_found_by_its_entry_point():
    (process,) = entry_points(group="farcell.spawners", name="process")
    assert process.value == "farcell.remote_runtime.spawners.process:ProcessSpawner"


def test_the_lock_file_names_no_registry():
    assert "://" not in (ROOT / "labextension/yarn.lock").read_text()
