"""Imports point one way; read from the source, so that lazy ones count too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from layout import PACKAGE_NAMES, ROOT, import_name, sources

REMOTE = "farcell.remote_runtime"
# what a part may import of the others
MAY_IMPORT = {
    "farcell": ["farcell"],  # the root hands every part's names on
    "farcell.labextension": ["farcell.kernel", f"{REMOTE}.api", f"{REMOTE}.client", f"{REMOTE}.errors"],
    "farcell.kernel": [f"{REMOTE}.api", f"{REMOTE}.client", f"{REMOTE}.errors"],
    "farcell.remote_runtime": ["farcell.volumes"],
    "farcell.volumes": [],
}
STRANGERS = ["agent", "client", "gateway"]


class Import(NamedTuple):
    path: Path
    target: str  # `from a import b` is `a.b`: b may be a module
    relative: bool

    @property
    def importer(self) -> str:
        return import_name(self.path)

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)} imports {self.target}"


def imports_of(path: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, alias.name, relative=False)
        elif isinstance(node, ast.ImportFrom):
            base = [*package_above(path, node.level), *([node.module] if node.module else [])]
            for alias in node.names:
                yield Import(path, ".".join([*base, alias.name]), relative=node.level > 0)


def package_above(path: Path, level: int) -> list[str]:
    """The parts of the name that `level` dots mean in the module at `path`."""
    if level == 0:
        return []
    up = level - 1 if path.name == "__init__.py" else level
    package = import_name(path).split(".")
    return package[: len(package) - up]


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def part_of(module: str) -> str:
    """``farcell.kernel.magics`` → ``farcell.kernel``."""
    return max((part for part in MAY_IMPORT if is_in(module, part)), key=len)


IMPORTS = [found for path in sources() for found in imports_of(path)]
OWN_IMPORTS = [found for found in IMPORTS if is_in(found.target, "farcell")]


def test_the_parts_are_those_of_the_layout():
    assert set(MAY_IMPORT) == set(PACKAGE_NAMES.values())


def test_a_part_imports_only_what_lies_below_it():
    for found in OWN_IMPORTS:
        part = part_of(found.importer)
        allowed = [part, *MAY_IMPORT[part]]
        assert any(is_in(found.target, package) for package in allowed), str(found)


@pytest.mark.parametrize("stranger", STRANGERS)
def test_gateway_agent_and_client_never_import_each_other(stranger: str):
    others = [f"{REMOTE}.{other}" for other in STRANGERS if other != stranger]
    for found in OWN_IMPORTS:
        if is_in(found.importer, f"{REMOTE}.{stranger}"):
            assert not any(is_in(found.target, other) for other in others), str(found)


def test_imports_are_relative_inside_a_part_and_absolute_across():
    """Otherwise one file could be loaded under two names."""
    for found in OWN_IMPORTS:
        assert found.relative == (part_of(found.target) == part_of(found.importer)), str(found)


def test_nobody_imports_a_folder_by_its_bare_name():
    """From the root `import kernel` works, and makes a second copy of every class in it."""
    others = [path for folder in ("tests", "examples") for path in (ROOT / folder).rglob("*.py")]
    folders = {folder.relative_to(ROOT).parts[0] for folder in PACKAGE_NAMES}
    for found in [*IMPORTS, *(found for path in others for found in imports_of(path))]:
        assert found.relative or found.target.split(".")[0] not in folders, str(found)
