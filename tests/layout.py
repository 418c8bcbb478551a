"""Where the packages lie, as setup.cfg says it; for the tests that guard packaging and imports."""

from __future__ import annotations

import configparser
from pathlib import Path

ROOT = Path(__file__).parents[1]

_setup = configparser.ConfigParser()
_setup.read(ROOT / "setup.cfg")

PACKAGES = _setup["options"]["packages"].split()
# folder → import name, the deepest folder first
PACKAGE_NAMES = {
    ROOT / folder: name
    for name, folder in sorted(
        (line.split(" = ") for line in _setup["options"]["package_dir"].strip().splitlines()),
        key=lambda pair: -len(Path(pair[1]).parts),
    )
}


def import_name(path: Path) -> str:
    """The name under which a source file or a package's folder is imported."""
    root = next(folder for folder in PACKAGE_NAMES if path.is_relative_to(folder))
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join([PACKAGE_NAMES[root], *(part for part in parts if part != "__init__")])


def sources() -> list[Path]:
    """Every Python file that is part of Farcell."""
    return sorted(
        {
            path
            for folder in PACKAGE_NAMES
            for path in folder.rglob("*.py")
            if "node_modules" not in path.parts
        }
    )
