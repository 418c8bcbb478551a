"""Which spawner a gateway takes that was not told."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_engine import fake_engine
from traitlets.config import Config

from farcell.remote_runtime.api import Image, default_table
from farcell.remote_runtime.spawners.auto import Choice, choose
from farcell.remote_runtime.spawners.contract import SpawnerSetup
from farcell.remote_runtime.spawners.docker.image_names import Bases
from farcell.remote_runtime.spawners.docker.image_options import DEFAULT_IMAGE

BASE = DEFAULT_IMAGE
MADE = Bases(BASE, "").tag(Image())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short one, for the socket in it."""
    folder = Path(tempfile.mkdtemp(prefix="farcell-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def asked(folder: Path) -> Callable[..., Choice]:
    def asked(url: str, **options: Any) -> Choice:
        config = Config({"DockerSpawner": {"url": url, **options}})
        return choose(SpawnerSetup(folder, {}, "", default_table(), config))

    return asked


def test_without_an_engine_it_is_process(asked: Callable[..., Choice], folder: Path):
    choice = asked(f"unix://{folder}/none.sock")
    assert choice.spawner == "process"
    assert (
        choice.why
        == f"the container engine at unix://{folder}/none.sock can't be asked: No such file or directory"
    )


@pytest.mark.parametrize(
    ("has", "why"),
    [
        ({"images": (MADE,)}, "has its image"),
        ({"images": (BASE,)}, f"can build its image on {BASE}"),
        ({"registry": (BASE,)}, f"can pull {BASE}"),
    ],
)
def test_an_engine_that_can_have_the_image_is_taken(
    asked: Callable[..., Choice], folder: Path, has, why: str
):
    with fake_engine(folder / "d.sock", **has) as url:
        choice = asked(url)
    assert choice == Choice("docker", f"the engine at {url} (28.0.1, runc, runsc) {why}")


def test_an_engine_that_can_not_have_the_image_is_not(asked: Callable[..., Choice], folder: Path):
    with fake_engine(folder / "d.sock") as url:
        choice = asked(url)
    assert choice.spawner == "process"
    assert choice.why == f"the engine at {url} lacks {BASE}, and no registry that it reaches has it"


def test_an_engine_without_a_runtime_is_not(asked: Callable[..., Choice], folder: Path):
    with fake_engine(folder / "d.sock", images=(MADE,), Runtimes={"kata": {}}) as url:
        choice = asked(url, runtimes={"container": "runc", "sandbox": "runsc"})
    assert choice == Choice("process", f"the engine at {url} has none of the runtimes runc, runsc")
