"""Files and folders on their way into an image: one tar archive each, the same bytes whenever they are the same."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import BadRequest, TooLarge
from .image_steps import check_folder

IGNORED = (
    *(".git", ".hg", ".svn", ".DS_Store", "__pycache__", "*.pyc", ".ipynb_checkpoints"),
    *(".venv", "node_modules", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
)
MAX_ARCHIVE_BYTES = 1 << 30
"""Larger data belongs elsewhere than into an image."""


@dataclass(frozen=True, slots=True)
class CopySource:
    """`path` here; its archive is unpacked in `folder` there. `name` is a file's there, None for a folder."""

    path: Path
    folder: str
    name: str | None

    @classmethod
    def of(cls, local: Path, remote: str) -> CopySource:
        path = local.expanduser().absolute()
        if not isinstance(remote, str):
            raise BadRequest(f"copy() takes the path in the container as a text, not {remote!r}")
        target = check_folder(remote)
        if path.is_dir():
            return cls(path, target, None)
        if not path.is_file():
            raise BadRequest(f"there is no file or folder {local} to copy")
        if remote.endswith("/"):
            return cls(path, target, path.name)
        pure = PurePosixPath(target)
        return cls(path, str(pure.parent), pure.name)


_origins: dict[str, CopySource] = {}
"""Of the archives that this process has named; a definition carries no path of this machine."""


def remembered_digest(source: CopySource) -> str:
    """The SHA-256 of its archive, which is not kept: `origin` says what it is made of again."""
    sink = DigestSink()
    write_archive(source, sink)
    _origins[sink.hexdigest()] = source
    return sink.hexdigest()


def origin(sha256: str) -> CopySource | None:
    """None where another process has named that archive."""
    return _origins.get(sha256)


def write_archive(source: CopySource, sink: Any) -> None:
    """Of a file the one member `name`; of a folder everything in it. Owners and times are left out, modes reduced.

    Raises `BadRequest` for what can't be copied, `TooLarge` beyond `MAX_ARCHIVE_BYTES`.
    """
    path, total = source.path, 0
    with tarfile.open(mode="w|", fileobj=sink, format=tarfile.GNU_FORMAT) as archive:
        for member, found in _members(source):
            info = _described(member, found)
            total += info.size
            if total > MAX_ARCHIVE_BYTES:
                raise TooLarge(f"{path} has more than {MAX_ARCHIVE_BYTES >> 20} MiB: too much for an image")
            try:
                _add(archive, info, found)
            except OSError as error:
                raise BadRequest(f"{found} can't be copied: {error.strerror or error}") from error


def _add(archive: tarfile.TarFile, info: tarfile.TarInfo, path: Path) -> None:
    if info.isreg():
        with path.open("rb") as file:
            archive.addfile(info, file)
    else:
        archive.addfile(info)


def _members(source: CopySource) -> Iterator[tuple[str, Path]]:
    if source.name is not None:
        yield source.name, source.path.resolve()
    else:
        yield from _entries(source.path, source.path)


def _entries(root: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    for entry in sorted(folder.iterdir(), key=lambda one: os.fsencode(one.name)):
        yield from _below(root, entry)


def _below(root: Path, path: Path) -> Iterator[tuple[str, Path]]:
    if any(fnmatchcase(path.name, pattern) for pattern in IGNORED):
        return
    yield path.relative_to(root).as_posix(), path
    if path.is_dir() and not path.is_symlink():
        yield from _entries(root, path)


def _described(member: str, path: Path) -> tarfile.TarInfo:
    found = path.lstat()
    info = tarfile.TarInfo(member)
    if stat.S_ISDIR(found.st_mode):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    elif stat.S_ISLNK(found.st_mode):
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, _inside(member, path)
    elif stat.S_ISREG(found.st_mode):
        info.size = found.st_size
        info.mode = 0o755 if found.st_mode & 0o100 else 0o644
    else:
        raise BadRequest(f"{path} is neither a file nor a folder: it can't be copied into an image")
    return info


def _inside(member: str, path: Path) -> str:
    """A link's target, if it stays in the folder that is copied."""
    target = str(path.readlink())
    depth = len(PurePosixPath(member).parts) - 1
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            break
    if os.path.isabs(target) or depth < 0:  # noqa: PTH117 (a text, not a path here)
        raise BadRequest(f"{path} is a link to {target}, out of the folder that is copied")
    return target


class DigestSink(io.RawIOBase):
    """Hands on what is written, to `below` if there is one, and keeps its digest and its size."""

    def __init__(self, below: Any = None) -> None:
        super().__init__()
        self._digest = hashlib.sha256()
        self._below = below
        self.size = 0

    def hexdigest(self) -> str:
        return self._digest.hexdigest()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._digest.update(data)
        self.size += len(data)
        if self._below is not None:
            self._below.write(data)
        return len(data)
