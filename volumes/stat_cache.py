r"""What a folder's files looked like when they were last put: who looks the same was not changed. A local file.

::

    "FARCST1\n"  root of the tree that the folder was put as (32)  records, folders in any order

A record has three lengths (4 each), then the folder's path, its names with a zero byte behind each, and a look of 36
bytes for each name: inode, size, mtime and ctime in ns, mode. A look of zeros fits nothing: that file is read again.
"""

from __future__ import annotations

import mmap
import os
import secrets
import stat
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from .ids import ID_BYTES, BlobId

_MAGIC: Final = b"FARCST1\n"
_LENGTHS: Final = struct.Struct("<III")
_LOOK: Final = struct.Struct("<QQqqI")
LOOK_BYTES: Final = _LOOK.size
UNKNOWN: Final = bytes(LOOK_BYTES)
_SETTLED_NS: Final = 2_000_000_000
"""A file that was written so shortly before it was looked at may be written again within the same tick of its clock."""


def look_at(status: os.stat_result) -> bytes:
    """Folders look alike but for their mode: they change whenever something in them does."""
    if stat.S_ISDIR(status.st_mode):
        return _LOOK.pack(0, 0, 0, 0, status.st_mode)
    return _LOOK.pack(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode)


def mode_of(look: bytes) -> int:
    mode: int = _LOOK.unpack(look)[4]
    return mode


def settled(look: bytes, looked_ns: int) -> bytes:
    """The look, unless the file may have changed after it without looking different: then `UNKNOWN`."""
    _, _, mtime_ns, ctime_ns, mode = _LOOK.unpack(look)
    if max(mtime_ns, ctime_ns) > looked_ns - _SETTLED_NS and not stat.S_ISDIR(mode):
        return UNKNOWN
    return look


class Record(NamedTuple):
    """One folder's names, ascending, and looks; as they lie in the file."""

    names: bytes
    looks: bytes

    def by_name(self) -> Mapping[bytes, bytes]:
        names = self.names.split(b"\0")[:-1]
        looks = (self.looks[at : at + LOOK_BYTES] for at in range(0, len(self.looks), LOOK_BYTES))
        return dict(zip(names, looks, strict=True))


class StatCache:
    """Reads one; a file that is missing or damaged is an empty cache. Close it."""

    def __init__(self, path: Path, root: BlobId) -> None:
        """`root`: the tree that the folder is compared with; a cache of another tree is of no use."""
        self._map: mmap.mmap | None = None
        self._places: dict[bytes, tuple[int, int, int]] = {}
        with suppress(OSError, ValueError), path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            head = len(_MAGIC) + ID_BYTES
            if self._map[:head] == _MAGIC + root:
                self._places = dict(self._scan(head))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._map is not None:
            self._map.close()

    def folder(self, path: bytes) -> Record | None:
        place = self._places.get(path)
        if place is None or self._map is None:
            return None
        start, names, looks = place
        return Record(self._map[start : start + names], self._map[start + names : start + names + looks])

    def look(self, path: bytes) -> bytes | None:
        """Of one file."""
        folder, _, name = path.rpartition(b"/")
        record = self.folder(folder)
        return None if record is None else record.by_name().get(name)

    def _scan(self, start: int) -> Iterator[tuple[bytes, tuple[int, int, int]]]:
        assert self._map is not None
        while start + _LENGTHS.size <= len(self._map):
            path, names, looks = _LENGTHS.unpack_from(self._map, start)
            start += _LENGTHS.size
            yield self._map[start : start + path], (start + path, names, looks)
            start += path + names + looks


class StatCacheWriter:
    """Writes one beside its place; only `keep` puts it there. Closing it drops what was not kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
        self._file = self._part.open("xb")
        self._file.write(_MAGIC + bytes(ID_BYTES))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def add(self, path: bytes, record: Record) -> None:
        self._file.write(_LENGTHS.pack(len(path), len(record.names), len(record.looks)))
        self._file.writelines((path, *record))

    def keep(self, root: BlobId) -> None:
        """It holds what the folder looked like when it was put as that tree."""
        self._file.seek(len(_MAGIC))
        self._file.write(root)
        self._file.close()
        self._part.replace(self._path)
