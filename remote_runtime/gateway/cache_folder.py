"""A user's cache on disk, which containers write into at the same time: looked through, and what must go removed.

Nothing here follows a link, and no path is trusted to stay what it was: folders are entered one by one, by descriptors.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..spawners.caches import KEPT, entry_of
from .cache_eviction import CacheEntry

_log = logging.getLogger(__name__)

MAX_LEVELS = 48
MAX_ENTRIES = 50_000
"""So many are told apart; the rest counts, and is told apart once others have gone."""
TRASH = ".trash"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class _Sum:
    size_bytes: int = 0
    last_used: float = 0.0
    bottomless: bool = False


@dataclass(slots=True)
class CacheUse:
    """What is in a cache. `total_bytes` counts also what is not among the entries."""

    entries: list[CacheEntry] = field(default_factory=list)
    total_bytes: int = 0


def look(cache: Path) -> CacheUse:
    """All of it; what vanishes meanwhile, or can't be read, counts nothing. Blocks, for seconds per 100,000 files."""
    sums: dict[tuple[str, ...], _Sum] = {}
    total, seen = 0, set[tuple[int, int]]()
    for parts, stat in _files(cache):
        size = stat.st_blocks * 512 if stat else 0
        if stat and stat.st_nlink > 1:  # a second name of a file takes nothing
            size = 0 if (stat.st_dev, stat.st_ino) in seen else size
            seen.add((stat.st_dev, stat.st_ino))
        total += size
        key = entry_of(parts)
        if key in KEPT or (key not in sums and len(sums) >= MAX_ENTRIES):
            continue
        one = sums.setdefault(key, _Sum())
        one.size_bytes += size
        one.last_used = max(one.last_used, stat.st_atime, stat.st_mtime) if stat else one.last_used
        one.bottomless |= stat is None
    return CacheUse([CacheEntry(key, *_values(one)) for key, one in sums.items()], total)


def _values(one: _Sum) -> tuple[int, float, bool]:
    return one.size_bytes, one.last_used, one.bottomless


def _files(cache: Path) -> Iterator[tuple[tuple[str, ...], os.stat_result | None]]:
    """Every file and link with its path in the cache; None in place of facts for a folder too deep to be entered."""
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        parts = waiting.pop()
        with _entered(cache, parts) as folder:
            if folder is None:
                continue
            with contextlib.suppress(OSError), os.scandir(folder) as found:
                for entry in found:
                    below = (*parts, entry.name)
                    with contextlib.suppress(OSError):
                        if not entry.is_dir(follow_symlinks=False):
                            yield below, entry.stat(follow_symlinks=False)
                        elif len(below) > MAX_LEVELS:
                            yield below, None
                        else:
                            waiting.append(below)


@contextlib.contextmanager
def _entered(cache: Path, parts: tuple[str, ...]) -> Iterator[int | None]:
    """The descriptor of a folder; None where it is none any more, or a link."""
    descriptor: int | None = None
    try:
        descriptor = os.open(cache, _FOLDER)
        for part in parts:
            below = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
    except OSError:
        if descriptor is not None:
            os.close(descriptor)
            descriptor = None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def remove(cache: Path, entry: CacheEntry) -> bool:
    """Takes an entry out of the cache at once, whatever it is by now, and then from the disk; whether it is out."""
    trash = cache.parent / TRASH
    trash.mkdir(mode=0o700, exist_ok=True)
    *parents, name = entry.path
    with _entered(cache, tuple(parents)) as folder:
        if folder is None:
            return False
        try:
            os.rename(name, trash / secrets.token_hex(8), src_dir_fd=folder)
        except FileNotFoundError:
            return False
        except OSError as error:
            _log.warning("%s of the cache %s can't be removed: %s", "/".join(entry.path), cache.name, error)
            return False
    empty_trash(cache.parent)
    return True


def empty_trash(caches: Path) -> None:
    """Also what an earlier gateway process left. ``rm`` enters folders of any depth, and follows no link."""
    trash = caches / TRASH
    if trash.is_dir():
        subprocess.run(["rm", "-rf", "--", *trash.iterdir()], check=False, stderr=subprocess.DEVNULL)


def owners(caches: Path) -> list[str]:
    """Who has a cache."""
    try:
        return [path.name for path in caches.iterdir() if path.name != TRASH and not path.is_symlink()]
    except FileNotFoundError:
        return []


def free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
