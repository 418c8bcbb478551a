"""What users install: built here from a copy of the sources, as on a machine that has no Node."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from layout import PACKAGES, ROOT

pytestmark = pytest.mark.slow

UV = Path(sys.executable).with_name("uv")
SYSTEM_CERTS = "--system-certs"  # as the Makefile has it
BUILT_OR_FOREIGN = shutil.ignore_patterns(
    ".*cache",
    ".git",
    ".venv",
    ".yarn",
    "*.egg-info",
    "__pycache__",
    "build",
    "dist",
    "lib",
    "node_modules",
    "static",
)
MANIFEST = "share/jupyter/labextensions/farcell/package.json"
REMOTE_ENTRY = "share/jupyter/labextensions/farcell/static/remoteEntry.*.js"
SERVER_CONFIG = "etc/jupyter/jupyter_server_config.d/farcell.json"


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """The output, standard error included and colours left out, of a command that has to succeed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return re.sub(r"\x1b\[\d*m", "", done.stdout)


def build(kind: str, source: Path, folder: Path, **environment: str) -> Path:
    """Builds one distribution with no program on PATH but those that its build requirements bring."""
    nothing = folder / "empty"
    nothing.mkdir(parents=True)
    command = (
        UV,
        "build",
        SYSTEM_CERTS,
        f"--{kind}",
        "--python",
        sys.executable,
        "--out-dir",
        folder,
        source,
    )
    run(*command, cwd=folder, PATH=str(nothing), **environment)
    (built,) = folder.glob("farcell-*")
    return built


def fresh_clone(folder: Path) -> Path:
    """A copy of the sources with nothing built in it."""
    return shutil.copytree(ROOT, folder / "clone", ignore=BUILT_OR_FOREIGN)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    return build("sdist", fresh_clone(folder), folder / "dist")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", sdist, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment with the wheel and what it requires."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    run(UV, "venv", "--python", sys.executable, venv, cwd=venv.parent)
    run(UV, "pip", "install", SYSTEM_CERTS, "--python", venv / "bin" / "python", wheel, cwd=venv.parent)
    return venv / "bin"


def names_in(distribution: Path) -> list[PurePosixPath]:
    """The files of a wheel or an sdist, without the top folder of the latter."""
    if distribution.suffix == ".whl":
        with zipfile.ZipFile(distribution) as wheel:
            return [PurePosixPath(name) for name in wheel.namelist()]
    with tarfile.open(distribution) as sdist:
        return [PurePosixPath(*PurePosixPath(name).parts[1:]) for name in sdist.getnames()]


def test_the_wheel_holds_every_package_and_the_built_front_end(wheel: Path):
    names = names_in(wheel)
    packages = {".".join(name.parent.parts) for name in names if name.name == "__init__.py"}
    assert packages == set(PACKAGES)
    for pattern in (
        MANIFEST,
        REMOTE_ENTRY,
        SERVER_CONFIG,
        "farcell/py.typed",
        "farcell/remote_runtime/api/gpus.toml",
        "farcell/remote_runtime/cli/logos/logo-64x64.png",
    ):
        assert any(name.match(pattern) for name in names), pattern


def test_the_wheel_holds_no_sources_of_the_front_end_and_no_tests(wheel: Path):
    assert {name.suffix for name in names_in(wheel)} & {".ts", ".tsx", ".lock", ".mjs"} == set()
    assert {name.parts[0] for name in names_in(wheel)} == {
        "farcell",
        f"farcell-{version_of(wheel)}.data",
        f"farcell-{version_of(wheel)}.dist-info",
    }


def version_of(wheel: Path) -> str:
    return wheel.name.split("-")[1]


def test_the_sdist_carries_both_the_built_front_end_and_its_sources(sdist: Path):
    names = names_in(sdist)
    for pattern in (
        "labextension/static/package.json",
        "labextension/src/index.ts",
        "labextension/yarn.lock",
        "Makefile",
    ):
        assert any(name.match(pattern) for name in names), pattern
    assert not any("node_modules" in name.parts for name in names)


def test_a_wheel_of_a_machine_that_only_runs_agents_has_no_front_end(tmp_path: Path):
    wheel = build("wheel", fresh_clone(tmp_path), tmp_path / "dist", FARCELL_SKIP_FRONTEND="1")
    assert not any(name.match(MANIFEST) for name in names_in(wheel))


def test_jupyterlab_finds_the_installed_front_end(installed: Path):
    listed = run(installed / "jupyter", "labextension", "list", cwd=installed)
    assert re.search(r"farcell v[\d.]+ enabled OK \(python, farcell\)", listed)


def test_jupyter_server_finds_its_half(installed: Path):
    listed = run(installed / "jupyter", "server", "extension", "list", cwd=installed)
    assert "farcell enabled" in listed
    assert re.search(r"farcell [\d.]+ OK", listed)


def test_the_magics_load_from_the_installed_wheel(installed: Path):
    shell = "from IPython.core.interactiveshell import InteractiveShell as S; S().run_line_magic('load_ext', 'farcell')"
    assert run(installed / "python", "-W", "error", "-c", shell, cwd=installed) == ""


def test_the_command_line_starts_from_the_installed_wheel(installed: Path):
    assert "farcell" in run(installed / "farcell", "--help", cwd=installed)
