"""Environments for plain processes, by the real uv, from an index on this machine."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

from farcell.remote_runtime.api import BuildProgress, Image
from farcell.remote_runtime.errors import BuildFailed, ImageNotSupported
from farcell.remote_runtime.spawners import process_images
from farcell.remote_runtime.spawners.lease_environment import (
    environment_variables,
    image_of,
    make_environment,
)
from farcell.remote_runtime.spawners.process_images import Environment, ProcessImages
from tests.wheels import SlowIndex, make_index

HERE = Image(python=sys.executable)
Index = str


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return make_index(tmp_path / "index", "tinyone", "tinytwo")


@pytest.fixture
def images(tmp_path: Path) -> ProcessImages:
    return open_images(tmp_path)


def open_images(folder: Path, in_use: Callable[[], list[Path]] = list) -> ProcessImages:
    return ProcessImages(folder / "environments", dict(os.environ), in_use)


def nothing(_: BuildProgress) -> None:
    """Nobody looks."""


async def built(images: ProcessImages, image: Image) -> Environment:
    await images.build(image, nothing)
    found = images.find(image)
    assert found is not None
    return found


def ended_process() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def pip_install(index: Path, package: str, variables: Mapping[str, str]) -> None:
    command = ["pip", "install", "--no-index", "--find-links", str(index / package), package]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def says(python: Path, code: str, **variables: str) -> str:
    done = subprocess.run(
        [python, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.defpath, **variables},
    )
    return done.stdout.strip()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 (what is looked at is not asyncio's)
            await asyncio.sleep(0.01)


async def test_packages_come_on_top_of_what_the_notebook_has(images, index):
    found = await built(images, HERE.pip_install("tinyone", index_url=index).env(A="1"))
    assert says(found.python, "import tinyone; print(tinyone.version)") == "1.0"
    assert says(found.python, "import ipykernel, pytest; print(ipykernel.__file__)").startswith(sys.prefix)
    assert found.variables == {"A": "1"}


async def test_progress_tells_steps_and_every_line(images, index):
    told: list[BuildProgress] = []
    image = HERE.pip_install("tinyone", index_url=index)
    await images.build(image, told.append)
    assert told[0].what.startswith("Python 3.")
    assert (told[-1].step, told[-1].steps, told[-1].what) == (2, 3, "pip install tinyone")
    assert " + tinyone==1.0" in [one.line for one in told]


async def test_what_is_there_is_not_built_again(images, index, tmp_path):
    image = HERE.pip_install("tinyone", index_url=index)
    await images.build(image, nothing)
    told: list[BuildProgress] = []
    await images.build(image, told.append)
    await open_images(tmp_path).build(image, told.append)
    assert told == []


async def test_two_calls_build_it_once(images, tmp_path):
    make_index(tmp_path / "index", "tinyone")
    with SlowIndex(tmp_path / "index") as slow:
        image = HERE.pip_install("tinyone", index_url=slow.url)
        both = asyncio.gather(images.build(image, nothing), images.build(image, nothing))
        await until(lambda: slow.asked)
        slow.go_on()
        await both
        assert slow.asked.count("/tinyone/") == 1
    assert images.find(image) is not None


async def test_a_failed_step_is_named_with_its_last_lines_and_leaves_nothing(images, index, tmp_path):
    image = HERE.pip_install("tinyone", index_url=index).pip_install("nowhere-to-be-found", index_url=index)
    with pytest.raises(BuildFailed, match=r"(?s)step 3 of 4 \(pip install nowhere-to-be-found\).*not found"):
        await images.build(image, nothing)
    assert images.find(image) is None
    assert list((tmp_path / "environments").iterdir()) == []


async def test_a_cancelled_build_goes_on_nowhere_and_leaves_nothing(images, tmp_path):
    make_index(tmp_path / "index", "tinyone")
    with SlowIndex(tmp_path / "index") as slow:
        task = asyncio.create_task(images.build(HERE.pip_install("tinyone", index_url=slow.url), nothing))
        await until(lambda: slow.asked)
        installers = [one for one in psutil.Process().children() if "pip" in one.cmdline()]
        assert installers
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not any(one.is_running() for one in installers)
    assert list((tmp_path / "environments").iterdir()) == []


async def test_what_a_killed_gateway_has_half_made_is_not_used_and_goes(images, index, tmp_path):
    image = HERE.pip_install("tinyone", index_url=index)
    half_made = tmp_path / "environments" / f".{images._path(image).name}.{ended_process()}.ab12"
    (half_made / "bin").mkdir(parents=True)
    assert images.find(image) is None
    await images.build(image, nothing)
    assert not half_made.exists()


@pytest.mark.parametrize(
    ("image", "lacks"),
    [
        (HERE.run("true"), "commands"),
        (HERE.apt_install("ffmpeg"), "apt packages"),
        (HERE.copy(__file__, "/x/"), "copied files"),
        (Image.from_registry("python:3.12"), "a registry's image"),
    ],
)
async def test_what_takes_walls_is_refused_with_who_can(images, image, lacks):
    with pytest.raises(ImageNotSupported, match=rf"{lacks} can't be had here.*docker"):
        await images.build(image, nothing)


async def test_a_python_of_its_own_begins_empty_and_has_a_kernel(images, index):
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    image = Image.debian(minor).pip_install("tinyone", index_url=index)
    found = await built(images, image)
    assert says(
        found.python, "import tinyone, ipykernel, cloudpickle, pip; print(ipykernel.__file__)"
    ).startswith(str(found.folder))
    with pytest.raises(subprocess.CalledProcessError):
        says(found.python, "import pytest")


async def test_what_was_used_longest_ago_makes_room_unless_it_is_in_use(tmp_path, index, monkeypatch):
    monkeypatch.setattr(process_images, "MAX_ENVIRONMENTS", 1)
    used: list[Path] = []
    images = open_images(tmp_path, lambda: used)
    first, second, third = (HERE.env(A=value) for value in "123")
    used.append((await built(images, first)).folder)
    await built(images, second)
    os.utime(images._path(second) / process_images.FACTS, (1, 1))
    await built(images, third)
    assert [images.find(one) is not None for one in (first, second, third)] == [True, False, True]


# --- a lease's own, on top ---


async def test_what_a_lease_installs_goes_into_an_environment_of_its_own(images, index, tmp_path):
    image = HERE.pip_install("tinyone", index_url=index).env(A="1")
    found = await built(images, image)
    folder = tmp_path / "lease" / "env"
    python = make_environment(folder, found)
    variables = environment_variables(folder, found, os.defpath)
    assert variables["A"] == "1"
    assert image_of(folder) == found.folder
    assert says(python, "import tinyone, ipykernel, sys; print(sys.prefix)") == str(folder)
    pip_install(tmp_path / "index", "tinytwo", {**os.environ, **variables})
    assert says(python, "import tinytwo; print(tinytwo.__file__)").startswith(str(folder))
    with pytest.raises(subprocess.CalledProcessError):
        says(found.python, "import tinytwo")
