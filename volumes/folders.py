"""Changes a folder that others may use meanwhile: never through a link, each file at once."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from .entries import Entry
from .scan import INCOMING
from .stat_cache import look_at

_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class OpenFolder:
    """A folder, and the one in it that was last worked in, held open. Keys are as in `entries.py`.

    Every name on the way has to be a folder: raises `NotADirectoryError` or `OSError` (ELOOP) where one is a link.
    """

    def __init__(self, folder: Path) -> None:
        self._root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._inner: list[tuple[bytes, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(0)
        os.close(self._root)

    def look(self, key: bytes) -> bytes | None:
        """What is there, as `look_at` tells it; None: nothing."""
        try:
            parent, name = self._parent(key)
            return look_at(os.stat(name, dir_fd=parent, follow_symlinks=False))
        except FileNotFoundError:
            return None

    def make_folder(self, key: bytes, mode: int) -> None:
        """Or changes its mode; what else has its name goes."""
        parent, name = self._parent(key)
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=parent)
                os.mkdir(name, 0o700, dir_fd=parent)
        descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=parent)
        try:
            os.fchmod(descriptor, mode | stat.S_IRWXU)  # who owns it goes on working in it
        finally:
            os.close(descriptor)

    def make_link(self, key: bytes, target: bytes) -> bytes:
        parent, name = self._parent(key)
        incoming = _incoming()
        os.symlink(target, incoming, dir_fd=parent)
        return self._rename(parent, incoming, name)

    def write(self, key: bytes, entry: Entry, pieces: Iterable[bytes]) -> bytes:
        """Makes or replaces a file, and returns how it looks; stretches of zeros become holes."""
        parent, name = self._parent(key)
        incoming = _incoming()
        descriptor = os.open(incoming, _WRITE_FLAGS, 0o600, dir_fd=parent)
        try:
            try:
                _fill(descriptor, pieces)
                os.fchmod(descriptor, entry.mode)
                os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
            finally:
                os.close(descriptor)
            return self._rename(parent, incoming, name)
        except BaseException:
            with suppress(OSError):
                os.unlink(incoming, dir_fd=parent)
            raise

    def remove(self, key: bytes) -> None:
        """A file or link; silent when it is gone."""
        with suppress(FileNotFoundError):
            parent, name = self._parent(key)
            os.unlink(name, dir_fd=parent)

    def remove_folder(self, key: bytes) -> bool:
        """Whether it is gone; one that has something in it stays."""
        try:
            parent, name = self._parent(key)
            os.rmdir(name, dir_fd=parent)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def _rename(self, parent: int, incoming: bytes, name: bytes) -> bytes:
        os.rename(incoming, name, src_dir_fd=parent, dst_dir_fd=parent)
        return look_at(os.stat(name, dir_fd=parent, follow_symlinks=False))

    def _parent(self, key: bytes) -> tuple[int, bytes]:
        *folders, name = key.split(b"\0")
        same = 0
        while same < min(len(folders), len(self._inner)) and self._inner[same][0] == folders[same]:
            same += 1
        self._leave(same)
        for folder in folders[same:]:
            above = self._inner[-1][1] if self._inner else self._root
            self._inner.append((folder, os.open(folder, _FOLDER_FLAGS, dir_fd=above)))
        return (self._inner[-1][1] if self._inner else self._root), name

    def _leave(self, depth: int) -> None:
        while len(self._inner) > depth:
            os.close(self._inner.pop()[1])


def _incoming() -> bytes:
    return INCOMING + secrets.token_hex(8).encode()


def _fill(descriptor: int, pieces: Iterable[bytes]) -> None:
    size = 0
    for piece in pieces:
        if piece.count(0) == len(piece):
            os.lseek(descriptor, len(piece), os.SEEK_CUR)
        else:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        size += len(piece)
    os.ftruncate(descriptor, size)
