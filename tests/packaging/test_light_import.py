"""`import farcell` pays for nothing that is not used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import farcell

HEAVY = {"IPython", "alembic", "ipykernel", "jupyter_client", "rich", "sqlalchemy", "tornado", "zmq"}


def modules_after(statement: str) -> set[str]:
    """The names in `sys.modules` of a fresh interpreter after a statement."""
    code = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(json.loads(answer.stdout))


def test_import_farcell_loads_no_dependency_and_no_part():
    added = modules_after("import farcell") - modules_after("import importlib, typing")
    assert {name for name in added if not name.startswith("__editable__")} == {"farcell"}


def test_the_version_loads_nothing_heavy():
    assert not modules_after("import farcell; farcell.__version__") & HEAVY


def test_an_unknown_name_is_refused_as_usual():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = farcell.nonsense


def test_dir_shows_public_names():
    assert set(farcell.__all__) <= set(dir(farcell))


@pytest.mark.parametrize("name", farcell._HOMES)
def test_every_name_of_the_table_is_where_the_table_says(name: str):
    assert callable(getattr(farcell, name))
