"""Imports point one way; read from the source, so that lazy ones count too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from layout import PACKAGE_NAMES, ROOT, import_name, sources

REMOTE = "farcell.remote_runtime"
DOORS = [f"{REMOTE}.{name}" for name in ("api", "client", "config", "errors")]
# what a part may import of the others
MAY_IMPORT = {
    "farcell": ["farcell"],  # the root hands every part's names on
    "farcell.labextension": ["farcell.kernel", *DOORS],
    # it is a kernel: it speaks Jupyter's messages, and its values go as the far kernel's do
    "farcell.kernel": [*DOORS, f"{REMOTE}.values", f"{REMOTE}.wire.messages"],
    "farcell.remote_runtime": ["farcell.volumes"],
    "farcell.volumes": [],
}
STRANGERS = ["agent", "client", "gateway"]


class Import(NamedTuple):
    path: Path
    level: int  # how many dots
    written: str  # `from a import b` is `a.b`: b may be a module

    @property
    def importer(self) -> str:
        return import_name(self.path)

    @property
    def target(self) -> str:
        """The full name, whether it was written so or with dots."""
        if self.level == 0:
            return self.written
        package = self.importer.split(".")
        up = self.level - 1 if self.path.name == "__init__.py" else self.level
        return ".".join([*package[: len(package) - up], self.written])

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)} imports {'.' * self.level}{self.written}"


def imports_of(path: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (Import(path, 0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = f"{node.module}." if node.module else ""
            yield from (Import(path, node.level, module + alias.name) for alias in node.names)


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
        assert (found.level > 0) == (part_of(found.target) == part_of(found.importer)), str(found)


def test_nobody_imports_a_folder_by_its_bare_name():
    """From the root `import kernel` works, and makes a second copy of every class in it."""
    others = [path for folder in ("tests", "examples") for path in (ROOT / folder).rglob("*.py")]
    folders = {folder.relative_to(ROOT).parts[0] for folder in PACKAGE_NAMES}
    for found in [*IMPORTS, *(found for path in others for found in imports_of(path))]:
        assert found.level or found.written.split(".")[0] not in folders, str(found)
