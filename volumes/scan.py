"""Looks at a folder: what is in it, as little as possible about each."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from .errors import BadName
from .paths import check_path
from .stat_cache import Record, look_at

INCOMING: Final = b".farcell-incoming-"
"""How the names of files begin that are being written by `gets.py`; they are never put."""


class Why(StrEnum):
    """Why something in a folder is not in the version that was made of it."""

    DEVICE = "device"
    PIPE = "pipe"
    SOCKET = "socket"
    LINK_LEAVES = "link-leaves"
    """A link to a place outside the folder; like the next two, what the volume had under its name stays."""
    UNREADABLE = "unreadable"
    MOVING = "moving"
    """It changed while it was read; the next put reads it again."""
    BAD_NAME = "bad-name"


class LeftOut(NamedTuple):
    path: bytes
    why: Why


@dataclass(frozen=True, slots=True)
class Seen:
    """A folder's names, ascending, with their looks, and what can't be kept."""

    looks: dict[bytes, bytes]
    folders: frozenset[bytes]
    left_out: list[LeftOut]

    def record(self) -> Record:
        names = b"".join(name + b"\0" for name in self.looks)
        return Record(names, b"".join(self.looks.values()))


def look_into(folder: bytes, path: bytes) -> Seen:
    """Reads one folder of the file system; `path` is what it is in the volume. Raises `OSError`.

    Hard links are files of their own, a sparse file's holes are zeros, and a mount is a folder.
    """
    found: list[tuple[bytes, bytes]] = []
    folders: set[bytes] = set()
    left_out: list[LeftOut] = []
    before = len(path) + 1 if path else 0
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(INCOMING):
                continue
            try:
                status = entry.stat(follow_symlinks=False)
                if before + len(name) > _LONG:
                    check_path(path + b"/" + name)
            except FileNotFoundError:  # it went meanwhile
                continue
            except BadName:
                left_out.append(LeftOut(path + b"/" + name, Why.BAD_NAME))
                continue
            mode = status.st_mode
            if stat.S_ISDIR(mode):
                folders.add(name)
            elif not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                left_out.append(LeftOut(path + b"/" + name if path else name, _special(mode)))
                continue
            found.append((name, look_at(status)))
    found.sort()
    return Seen(dict(found), frozenset(folders), left_out)


_LONG: Final = 255
"""Paths that are shorter are short enough, and the file system has looked at their names."""


def _special(mode: int) -> Why:
    if stat.S_ISFIFO(mode):
        return Why.PIPE
    return Why.SOCKET if stat.S_ISSOCK(mode) else Why.DEVICE
