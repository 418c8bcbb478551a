"""What was installed by hand, found by the folders that packages lie in."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farcell.remote_runtime.agent.installs import Installs, distributions


class Watched:
    """An `Installs` over two folders, with what it has told."""

    def __init__(self, folders: tuple[Path, Path]) -> None:
        self.own, self.below = folders
        self.told: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        self.asked = 0
        self.installs = Installs(self._ask, self.told.put_nowait)

    async def _ask(self) -> tuple[str, ...]:
        self.asked += 1
        return (str(self.own), str(self.below))

    async def heard(self) -> tuple[str, ...]:
        self.installs.look()
        async with asyncio.timeout(30):
            return await self.told.get()


def install(folder: Path, name: str, version: str, direct_url: object = None) -> None:
    for old in folder.glob(f"{name}-*.dist-info"):
        shutil.rmtree(old)
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    if direct_url is not None:
        (info / "direct_url.json").write_text(json.dumps(direct_url))
    changed(folder)


def changed(folder: Path) -> None:
    """Also where a disk's clock stands still."""
    os.utime(folder, ns=(0, folder.stat().st_mtime_ns + 1_000_000))


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    folders = (tmp_path / "own", tmp_path / "below")
    for folder in folders:
        folder.mkdir()
    install(folders[1], "numpy", "2.0")
    watched = Watched(folders)
    task = asyncio.create_task(watched.installs.run())
    watched.installs.look()
    async with asyncio.timeout(30):
        while not watched.installs._before:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.001)
    yield watched
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_comes_is_told_in_its_order_with_exact_versions(watched: Watched):
    install(watched.own, "tqdm", "4.0")
    assert await watched.heard() == ("tqdm==4.0",)
    install(watched.own, "attrs", "1.0")
    assert await watched.heard() == ("tqdm==4.0", "attrs==1.0")
    assert watched.asked == 1


async def test_an_upgrade_counts_and_what_was_removed_does_not(watched: Watched):
    install(watched.own, "numpy", "2.1")
    assert await watched.heard() == ("numpy==2.1",)
    install(watched.own, "tqdm", "4.0")
    assert await watched.heard() == ("numpy==2.1", "tqdm==4.0")
    install(watched.own, "numpy", "2.2")
    assert await watched.heard() == ("tqdm==4.0", "numpy==2.2")
    shutil.rmtree(watched.own / "tqdm-4.0.dist-info")
    changed(watched.own)
    assert await watched.heard() == ("numpy==2.2",)


async def test_what_came_from_no_index_is_told_as_what_it_is(watched: Watched):
    install(watched.own, "demo", "1.0", {"url": "file:///wheels/demo.whl", "archive_info": {}})
    assert await watched.heard() == ("demo @ file:///wheels/demo.whl",)


async def test_nothing_is_read_while_nothing_changes(watched: Watched, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr("farcell.remote_runtime.agent.installs.distributions", fail)
    watched.installs.look()
    while watched.installs._due.is_set():  # noqa: ASYNC110 (nothing tells of it)
        await asyncio.sleep(0)
    assert watched.told.empty()


def test_a_folder_that_is_not_there_has_nothing(tmp_path: Path):
    assert distributions([tmp_path / "nowhere"]) == {}
