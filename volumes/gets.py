"""Brings a folder from one version to another: from nothing to all of it, or from what it holds to the newest."""

from __future__ import annotations

import stat
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .blobs import Blobs
from .contents import chunks_of, read_range
from .entries import Entry, EntryKind, decode_entry, path_of
from .errors import BadName
from .folders import OpenFolder
from .ids import Kind
from .paths import check_path, shown, stays_inside
from .stat_cache import StatCache, mode_of
from .trees import Difference, Tree

_READERS: Final = 8
_AHEAD: Final = 32
"""Chunks that are read before they are needed: of a MiB each at most."""


@dataclass(slots=True)
class GetReport:
    """What a get did; grows while it goes on. `kept`: paths that were changed here meanwhile, and left so."""

    files_written: int = 0
    bytes_written: int = 0
    kept: list[bytes] = field(default_factory=list)


class FolderGet:
    """One get into one folder, by one thread.

    A file that does not look as `looks` says, and as the folder was last put or got, is left as it is: putting the
    folder keeps both. Without `looks` nothing that is there is replaced, unless `overwrite` says so.
    """

    def __init__(
        self, blobs: Blobs, folder: Path, looks: StatCache | None = None, *, overwrite: bool = False
    ) -> None:
        self._blobs = blobs
        self._path = folder
        self._looks = looks
        self._overwrite = overwrite
        self.report = GetReport()

    def run(self, before: Tree, after: Tree) -> None:
        """Raises `BadName` for a tree that would reach outside the folder, `Damaged`, `OSError`."""
        emptied: list[bytes] = []
        later: list[tuple[bytes, Entry]] = []
        with OpenFolder(self._path) as folder, ThreadPoolExecutor(_READERS, "farcell-get") as pool:
            for difference, pieces in _ReadAhead(self._blobs, pool, before.differences(after)):
                _check(difference)
                was_folder = _is_folder(difference.before)
                entry = None if difference.after is None else decode_entry(difference.after)
                if was_folder and (entry is None or entry.kind is not EntryKind.FOLDER):
                    emptied.append(difference.key)
                    if entry is not None:
                        later.append((difference.key, entry))
                elif self._may_change(folder, difference):
                    self._apply(folder, difference.key, entry, pieces)
            for key in reversed(emptied):
                if not folder.remove_folder(key):
                    self.report.kept.append(path_of(key))
            for key, entry in later:
                if folder.look(key) is None:
                    self._apply(folder, key, entry, read_range(self._blobs, entry, 0, entry.size_bytes))

    def _may_change(self, folder: OpenFolder, difference: Difference) -> bool:
        path = path_of(difference.key)
        try:
            look = folder.look(difference.key)
        except OSError:  # a folder on the way is a link or a file by now
            self.report.kept.append(path)
            return False
        if look is None or self._overwrite or (_is_folder(difference.after) and stat.S_ISDIR(mode_of(look))):
            return True
        if self._looks is not None and self._looks.look(path) == look:
            return True
        self.report.kept.append(path)
        return False

    def _apply(self, folder: OpenFolder, key: bytes, entry: Entry | None, pieces: Iterable[bytes]) -> None:
        if entry is None:
            folder.remove(key)
        elif entry.kind is EntryKind.FOLDER:
            folder.make_folder(key, entry.mode)
        elif entry.kind is EntryKind.LINK:
            folder.make_link(key, entry.chunks)
        else:
            folder.write(key, entry, pieces)
            self.report.files_written += 1
            self.report.bytes_written += entry.size_bytes


class _ReadAhead:
    """Differences with the bytes of what comes; the chunks of the next ones are on their way meanwhile."""

    def __init__(self, blobs: Blobs, pool: ThreadPoolExecutor, differences: Iterable[Difference]) -> None:
        self._blobs = blobs
        self._pool = pool
        self._steps = self._make_steps(differences)
        self._ready: deque[Difference | Future[bytes]] = deque()

    def __iter__(self) -> Iterator[tuple[Difference, Iterator[bytes]]]:
        while True:
            self._fill()
            if not self._ready:
                return
            difference = self._ready.popleft()
            assert isinstance(difference, Difference)
            yield difference, self._pieces()
            for _ in self._pieces():  # nobody wanted them
                pass

    def _make_steps(self, differences: Iterable[Difference]) -> Iterator[Difference | Future[bytes]]:
        for difference in differences:
            yield difference
            if difference.after is not None and (entry := decode_entry(difference.after)).is_file:
                for _, piece in chunks_of(self._blobs, entry):
                    yield self._pool.submit(self._blobs.read, piece.id, Kind.CHUNK)

    def _fill(self) -> None:
        while len(self._ready) < _AHEAD and (step := next(self._steps, None)) is not None:
            self._ready.append(step)

    def _pieces(self) -> Iterator[bytes]:
        while True:
            self._fill()
            if not self._ready or isinstance(self._ready[0], Difference):
                return
            step = self._ready.popleft()
            assert isinstance(step, Future)
            yield step.result()


def _check(difference: Difference) -> None:
    """Who wrote the tree may have been anybody with the owner's key: no path in it leads out of the folder."""
    path = check_path(path_of(difference.key))
    if difference.after is not None:
        entry = decode_entry(difference.after)
        if entry.kind is EntryKind.LINK and not stays_inside(path, entry.chunks):
            raise BadName(f"{shown(path)} is a link out of its volume", path=shown(path))


def _is_folder(value: bytes | None) -> bool:
    return value is not None and decode_entry(value).kind is EntryKind.FOLDER
