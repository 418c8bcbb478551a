"""Images for tests beside the engine's own: another Debian, with another Python."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from docker_engine import DEBIAN, KERNEL_PACKAGES, DockerEngine, cached, docker_client, named_by, run_program


def add_debian(engine: DockerEngine, name: str, suite: str, python: str) -> None:
    """With what a kernel needs as wheels, for its Python."""
    with docker_client(engine) as client:
        with _debian(suite).open("rb") as file:
            said = client.import_image_from_data(file, f"{name}-bare", "latest")  # type: ignore[arg-type]
        assert "error" not in said, said
        with tempfile.TemporaryDirectory(prefix="farcell-image-") as folder:
            shutil.copytree(_wheels(python), Path(folder) / "wheels")
            (Path(folder) / "Dockerfile").write_text(f"FROM {name}-bare:latest\nCOPY wheels /wheels\n")
            for line in client.build(path=folder, tag=name, rm=True, decode=True, network_mode="none"):
                assert "error" not in line, line


def _debian(suite: str) -> Path:
    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="farcell-debian-") as folder:
            Path(folder).chmod(0o755)  # it becomes the root of every container
            run_program(["debootstrap", "--variant=minbase", "--include=python3", suite, folder, DEBIAN])
            shutil.rmtree(Path(folder, "var/cache/apt/archives"))
            shutil.rmtree(Path(folder, "var/lib/apt/lists"))
            numeric = ["--numeric-owner", "--file", str(path), "--directory", folder, "."]
            run_program(["tar", "--create", *numeric])

    return cached(f"debian-{named_by(suite, 'python3')}.tar", make)


def _wheels(python: str) -> Path:
    packages = (*KERNEL_PACKAGES, "six")

    def make(path: Path) -> None:
        target = ["--python-version", python, "--only-binary", ":all:", "--dest", str(path)]
        run_program([sys.executable, "-m", "pip", "download", "--quiet", *target, *packages])

    return cached(f"wheels-{named_by(python, *packages)}", make)
