"""What cells install by hand: found between cells, by the times of the folders that packages lie in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path

from ..api.direct_url import requirement

ANSWERS_S = 60.0
Asks = Callable[[], Awaitable[tuple[str, ...]]]


class Installs:
    """`ask` says where the kernel's packages lie. `tell` is called with all that was installed since, in its order.

    Nothing is read of packages that stay as they are: a folder's time says whether any of it has come or gone.
    """

    def __init__(self, ask: Asks, tell: Callable[[tuple[str, ...]], None]) -> None:
        self._ask = ask
        self._tell = tell
        self._due = asyncio.Event()
        self._folders: tuple[Path, ...] = ()
        self._times: tuple[int, ...] = ()
        self._before: dict[str, Path] = {}
        self._installed: dict[str, str] = {}

    def look(self) -> None:
        """A kernel is ready, or a cell has ended."""
        self._due.set()

    async def run(self) -> None:
        """Until cancelled. What is there at the first look was not installed by hand."""
        while True:
            await self._due.wait()
            self._due.clear()
            if not self._folders:
                await self._begin()
            elif (times := _times(self._folders)) != self._times:
                self._times = times
                await asyncio.to_thread(self._compare)
                self._tell(tuple(self._installed.values()))

    async def _begin(self) -> None:
        with suppress(TimeoutError):  # its kernel was replaced before it answered
            async with asyncio.timeout(ANSWERS_S):
                self._folders = tuple(map(Path, await self._ask()))
        self._times = _times(self._folders)
        self._before = await asyncio.to_thread(distributions, self._folders)

    def _compare(self) -> None:
        now = distributions(self._folders)
        for name in self._installed.keys() - now.keys():
            del self._installed[name]
        for name, info in now.items():
            if self._before.get(name) != info:
                self._installed.pop(name, None)
                self._installed[name] = _requirement(info)
        self._before = now


def distributions(folders: Iterable[Path]) -> dict[str, Path]:
    """The metadata folder of each package, by its name; the first folder that has one counts, as for imports."""
    found: dict[str, Path] = {}
    for folder in folders:
        try:
            infos = sorted(folder.glob("*.dist-info"))
        except OSError:
            continue
        for info in infos:
            found.setdefault(info.name.partition("-")[0].lower().replace(".", "_"), info)
    return found


def _requirement(info: Path) -> str:
    name, _, version = info.name.removesuffix(".dist-info").partition("-")
    try:
        direct_url = (info / "direct_url.json").read_text("utf-8")
    except OSError:
        direct_url = None
    return requirement(name, version, direct_url, keep_files=True) or f"{name}=={version}"


def _times(folders: Iterable[Path]) -> tuple[int, ...]:
    return tuple(map(_time, folders))


def _time(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
