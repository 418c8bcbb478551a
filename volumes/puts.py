"""Puts a folder into a volume: what changed since the last put is read, cut and uploaded; the rest is looked at."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from .chunker import ChunkerSpec, make_chunker
from .contents import Content, write_content
from .entries import (
    Entry,
    EntryKind,
    child_key,
    children,
    decode_entry,
    encode_entry,
    inside,
    path_of,
    remove_entry,
    set_entry,
)
from .ids import Kind
from .paths import stays_inside
from .scan import LeftOut, Seen, Why, look_into
from .stat_cache import UNKNOWN, Record, StatCache, StatCacheWriter, look_at, mode_of, settled
from .trees import Edit, Tree
from .uploads import Upload

_PERMISSIONS = 0o7777
_READ_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(slots=True)
class PutReport:
    """What a put did; grows while it goes on, and may be read meanwhile."""

    files_seen: int = 0
    files_read: int = 0
    bytes_read: int = 0
    left_out: list[LeftOut] = field(default_factory=list)


class _Moving(Exception):
    """A file is another than it was a moment ago."""


class Looks(NamedTuple):
    """Where looks come from and go to, where they are kept."""

    before: StatCache
    after: StatCacheWriter


class FolderPut:
    """One put of one folder, by one thread."""

    def __init__(
        self, folder: Path, tree: Tree, upload: Upload, chunker: ChunkerSpec, looks: Looks | None = None
    ) -> None:
        """`tree`: the version that the folder was last put as, or had been got as, and that `looks` belongs to."""
        self._folder = os.fsencode(folder)
        self._tree = tree
        self._upload = upload
        self._short_bytes = chunker.min_bytes
        self._chunker = make_chunker(chunker, upload.blobs.keys.cut_seed)
        self._looks = looks
        self._began_ns = 0
        self.report = PutReport()

    def run(self) -> Tree:
        """The version that the folder is now: what it has no more is not in it. Keep the looks when it is committed."""
        self._began_ns = time.time_ns()
        return self._tree.update(self._upload, self._edits())

    def _edits(self) -> Iterator[Edit]:
        """In order: a folder's content follows it. Without recursion: folders may lie deep."""
        stack: list[Iterator[Edit | bytes]] = [self._folder_edits(b"")]
        while stack:
            found = next(stack[-1], None)
            if found is None:
                stack.pop()
            elif isinstance(found, bytes):
                stack.append(self._folder_edits(found))
            else:
                yield found

    def _folder_edits(self, key: bytes) -> Iterator[Edit | bytes]:
        """A folder's edits, and the keys of the folders in it, each in its place."""
        path = path_of(key)
        try:
            seen = look_into(self._place(path), path)
        except OSError as error:
            if not key:
                raise
            moved = isinstance(error, FileNotFoundError | NotADirectoryError)
            self.report.left_out.append(LeftOut(path, Why.MOVING if moved else Why.UNREADABLE))
            return
        self.report.files_seen += len(seen.looks) - len(seen.folders)
        self.report.left_out += seen.left_out
        before = self._looks and self._looks.before.folder(path)
        record = seen.record()
        if before == record:
            yield from (child_key(key, name) for name in sorted(seen.folders))
        else:
            yield from self._compared(key, seen, before)
            record = seen.record()
        if self._looks is not None:
            self._looks.after.add(path, record)

    def _compared(self, key: bytes, seen: Seen, before: Record | None) -> Iterator[Edit | bytes]:
        """Replaces the looks of files that have to be read again next time."""
        if before is None:
            old = dict.fromkeys((name for name, _ in children(self._tree, key)), UNKNOWN)
        else:
            old = dict(before.by_name())
        for name in sorted(old.keys() | seen.looks.keys()):
            look, one = seen.looks.get(name), child_key(key, name)
            if look is None:
                yield from self._removed(one)
            elif name in seen.folders:
                yield from self._folder_entry(one, look, old.get(name))
                yield one
            elif look != old.get(name):
                yield from self._read(one, look, seen)

    def _removed(self, key: bytes) -> Iterator[Edit]:
        yield remove_entry(key)
        for leaf in self._tree.items(*inside(key)):
            yield remove_entry(leaf.key)

    def _folder_entry(self, key: bytes, look: bytes, before: bytes | None) -> Iterator[Edit]:
        if look != before:
            entry = Entry(EntryKind.FOLDER, mode_of(look) & _PERMISSIONS)
            if self._tree.get(key) != encode_entry(entry):
                yield set_entry(key, entry)

    def _read(self, key: bytes, look: bytes, seen: Seen) -> Iterator[Edit]:
        name = key.rpartition(b"\0")[2]
        seen.looks[name] = settled(look, self._began_ns)
        try:
            entry: Entry | Why = self._link(key) if stat.S_ISLNK(mode_of(look)) else self._file(key)
        except (_Moving, FileNotFoundError):
            entry = Why.MOVING
        except OSError:
            entry = Why.UNREADABLE
        if isinstance(entry, Why):
            self.report.left_out.append(LeftOut(path_of(key), entry))
            seen.looks[name] = UNKNOWN
            return
        before = self._tree.get(key)
        if before != encode_entry(entry):
            yield set_entry(key, entry)
            if before is not None and decode_entry(before).kind is EntryKind.FOLDER:
                yield from list(self._removed(key))[1:]

    def _link(self, key: bytes) -> Entry | Why:
        target = os.readlink(self._place(path_of(key)))  # noqa: PTH115 - a name need not be text
        if not stays_inside(path_of(key), target):
            return Why.LINK_LEAVES
        return Entry(EntryKind.LINK, size_bytes=len(target), chunks=target)

    def _file(self, key: bytes) -> Entry:
        """Raises `_Moving` when it did not hold still."""
        with FileIO(os.open(self._place(path_of(key)), _READ_FLAGS)) as file:
            status = os.fstat(file.fileno())
            look = look_at(status)
            if not stat.S_ISREG(status.st_mode):
                raise _Moving
            content = self._content(file, status.st_size)
            if content.size_bytes != status.st_size or look_at(os.fstat(file.fileno())) != look:
                raise _Moving
        self.report.files_read += 1
        self.report.bytes_read += content.size_bytes
        mode = status.st_mode & _PERMISSIONS
        return Entry(EntryKind.FILE, mode, status.st_mtime_ns, *content)

    def _content(self, file: FileIO, size: int) -> Content:
        if size > self._short_bytes:
            return write_content(self._upload, self._upload.add_all(Kind.CHUNK, self._chunker.cut(file)))
        data = file.read(size + 1) or b""
        pieces = [(self._upload.add(Kind.CHUNK, data), len(data))] if data else []
        return write_content(self._upload, pieces)

    def _place(self, path: bytes) -> bytes:
        return self._folder + b"/" + path if path else self._folder
