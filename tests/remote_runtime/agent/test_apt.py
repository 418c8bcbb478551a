"""Packages by apt for a kernel that is not root: what is run, what is refused, and how it looks in the cell."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from farcell.remote_runtime.agent import apt, apt_get

SHIM = Path(apt_get.__file__)


@pytest.mark.parametrize(
    ("typed", "behind_the_options"),
    [
        ("install ffmpeg", ["install", "ffmpeg"]),
        ("install -y -qq ffmpeg", ["install", "ffmpeg"]),
        (
            "-y install --no-install-recommends g++ libc6:amd64",
            ["--no-install-recommends", "install", "g++", "libc6:amd64"],
        ),
        ("install hello=2.10-3 git/bookworm", ["install", "hello=2.10-3", "git/bookworm"]),
        ("update -q", ["update"]),
        ("remove hello", ["remove", "hello"]),
    ],
)
def test_names_of_packages_and_what_asks_nobody_are_passed_on(typed: str, behind_the_options: list[str]):
    command = apt.apt_command(typed.split())
    assert command == [str(apt.APT_GET), *apt.OPTIONS, *behind_the_options]


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "upgrade",
        "install",
        "update hello",
        "source hello",
        "install ./evil.deb",
        "install /home/farcell/evil.deb",
        "install -o APT::Update::Pre-Invoke::=id hello",
        "install -oDpkg::Pre-Install-Pkgs::=id hello",
        "install --option=Dir=/home/farcell hello",
        "install -c /home/farcell/apt.conf hello",
        "install --allow-unauthenticated hello",
        "install -t sid hello",
        "install hello;id",
        "install $(id)",
        "install UPPER",
        "install hello\nid",
    ],
)
def test_whatever_could_choose_what_root_runs_is_refused(typed: str):
    with pytest.raises(ValueError, match=r"belongs into an image|neither a package's name"):
        apt.apt_command(typed.split(" "))


@asynccontextmanager
async def desk(program: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """A desk whose apt-get is a shell script; gives the folder of its socket."""
    with tempfile.TemporaryDirectory(prefix="farcell-apt-") as name:
        folder = Path(name)
        script = folder / "apt-get"
        script.write_text(f"#!/bin/sh\n{program}\n")
        script.chmod(0o755)
        monkeypatch.setattr(apt, "APT_GET", script)
        serving = asyncio.create_task(
            apt.AptDesk(folder, os.getgid(), {"http_proxy": "http://proxy"}).serve()
        )
        await until((folder / apt_get.SOCKET).exists)
        try:
            yield folder
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 a file has no event
            await asyncio.sleep(0.01)


async def typed(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, SHIM, *words],
        env={**os.environ, apt_get.FOLDER: str(folder)},
        capture_output=True,
        check=False,
    )


@pytest.fixture
def as_root(require: Callable[..., str]) -> None:
    require("root", "apt-get runs as root", found=os.geteuid() == 0)


async def test_output_and_exit_code_are_the_commands(as_root: None, monkeypatch: pytest.MonkeyPatch):
    async with desk('echo "$@"; id -u; echo $http_proxy; echo wrong >&2; exit 7', monkeypatch) as folder:
        done = await typed(folder, "install", "-y", "hello")
    lines = done.stdout.decode().splitlines()
    assert lines[0].endswith("install hello")
    assert lines[1:] == ["0", "http://proxy", "wrong"]
    assert done.returncode == 7


async def test_nothing_of_the_callers_environment_gets_through(
    as_root: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LD_PRELOAD_LIKE", "evil")
    async with desk("env", monkeypatch) as folder:
        done = await typed(folder, "update")
    assert b"LD_PRELOAD_LIKE" not in done.stdout
    assert b"DEBIAN_FRONTEND=noninteractive" in done.stdout


async def test_what_is_refused_says_so_and_runs_nothing(as_root: None, monkeypatch: pytest.MonkeyPatch):
    async with desk("echo ran", monkeypatch) as folder:
        done = await typed(folder, "install", "./evil.deb")
    assert done.returncode == 100
    assert done.stdout.startswith(b"apt-get: './evil.deb' is neither a package's name nor an option")


async def test_an_image_without_apt_is_named(as_root: None, monkeypatch: pytest.MonkeyPatch):
    async with desk("", monkeypatch) as folder:
        monkeypatch.setattr(apt, "APT_GET", folder / "missing")
        done = await typed(folder, "update")
    assert done.returncode == 127
    assert b"it has no apt-get" in done.stdout


async def test_two_callers_take_turns(as_root: None, monkeypatch: pytest.MonkeyPatch):
    program = 'mkdir "$0.lock" || exit 9; sleep 0.2; rmdir "$0.lock"'
    async with desk(program, monkeypatch) as folder:
        done = await asyncio.gather(*(typed(folder, "update") for _ in range(3)))
    assert [one.returncode for one in done] == [0, 0, 0]


async def test_a_caller_that_goes_away_does_not_end_what_was_begun(
    as_root: None, monkeypatch: pytest.MonkeyPatch
):
    async with desk(
        'echo begun; while [ ! -e "$0.gate" ]; do sleep 0.02; done; touch "$0.ended"', monkeypatch
    ) as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            SHIM,
            "update",
            env={**os.environ, apt_get.FOLDER: str(folder)},
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"begun\n"
        process.kill()
        await process.wait()
        (folder / "apt-get.gate").touch()
        await until((folder / "apt-get.ended").exists)


def test_what_needs_no_root_is_the_images_own(tmp_path: Path):
    """Without the agent's folder, everything is."""
    environment = {name: value for name, value in os.environ.items() if name != apt_get.FOLDER}
    shim = tmp_path / "true"  # stands for a program of the image's
    shim.symlink_to(SHIM)
    done = subprocess.run([sys.executable, shim, "show", "hello"], env=environment, check=False)
    assert done.returncode == 0
