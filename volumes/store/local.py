"""A store in a local folder, for one machine or a file system that several share.

An object is written beside its place, synced, and renamed. Folders are synced before a ref moves, all at once. After a
failed fsync the kernel may have dropped the bytes and say nothing the next time, so that it is never tried again.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ..errors import ObjectMissing, RefMoved, StoreBroken, StoreFull, StoreUnavailable
from .contract import Ref, Store, Stored

_INCOMING: Final = "incoming"
_LOCK: Final = "lock"
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_SYNC: Final[int | None] = getattr(fcntl, "F_FULLFSYNC", None)
"""macOS' fsync stops at the drive's cache."""
_VECTOR: Final = 1024
"""As many parts as one writev takes (IOV_MAX)."""


class LocalStore(Store):
    """Makes the folder when it is missing; only its user can read it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / _INCOMING
        self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._broken: OSError | None = None
        self._lock = threading.Lock()
        self._unsynced: set[Path] = {folder, folder.parent}

    def get(self, key: str) -> bytes:
        with _reading(key):
            return (self._folder / key).read_bytes()

    def get_range(self, key: str, start: int, size: int) -> bytes:
        with _reading(key):
            descriptor = os.open(self._folder / key, os.O_RDONLY | os.O_CLOEXEC)
            try:
                found = os.pread(descriptor, size, start)
            finally:
                os.close(descriptor)
        if len(found) != size:
            raise StoreUnavailable(f"{key} ends before byte {start + size}")
        return found

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        with self._writing():
            self._place(key, parts)

    def list(self, prefix: str) -> Iterator[Stored]:
        top = self._folder / prefix.rpartition("/")[0]
        for folder, _, names in os.walk(top):
            for name in names:
                path = Path(folder, name)
                key = path.relative_to(self._folder).as_posix()
                if key.startswith(prefix):
                    with suppress(FileNotFoundError):
                        status = path.stat()
                        yield Stored(key, status.st_size, status.st_mtime)

    def delete(self, key: str) -> None:
        with self._writing():
            (self._folder / key).unlink(missing_ok=True)

    def now(self) -> float:
        """What a file that is written now is stamped with: another machine's clock may serve the folder."""
        with self._writing():
            probe = self._incoming / secrets.token_hex(16)
            probe.touch(mode=0o600)
            try:
                return probe.stat().st_mtime
            finally:
                probe.unlink(missing_ok=True)

    def read_ref(self, key: str) -> Ref | None:
        try:
            value = self.get(key)
        except ObjectMissing:
            return None
        return Ref(value, hashlib.sha256(value).hexdigest())

    def move_ref(self, key: str, value: bytes, expected: Ref | None) -> Ref:
        with self._writing(), self._locked():
            if self.read_ref(key) != expected:
                raise RefMoved
            self._sync_folders()
            self._place(key, [value])
            self._sync_folders()
        return Ref(value, hashlib.sha256(value).hexdigest())

    def tidy(self, before: float) -> None:
        for path in self._incoming.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self._broken is not None:
            raise StoreBroken(
                "the disk failed to keep what was written, and was not asked again"
            ) from self._broken
        try:
            yield
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise StoreFull(
                    "there is no room left for the store: free some, or remove volumes"
                ) from error
            raise StoreUnavailable(f"the store's folder failed: {error}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Against other processes and other threads; a killed holder's lock is free."""
        descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _place(self, key: str, parts: Sequence[bytes]) -> None:
        place = self._folder / key
        self._make_folder(place.parent)
        incoming = self._incoming / secrets.token_hex(16)
        try:
            self._write(incoming, parts)
            incoming.replace(place)
        except BaseException:
            incoming.unlink(missing_ok=True)
            raise
        with self._lock:
            self._unsynced.add(place.parent)

    def _write(self, path: Path, parts: Sequence[bytes]) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            for first in range(0, len(parts), _VECTOR):
                _write_all(descriptor, parts[first : first + _VECTOR])
            self._sync(descriptor)
        finally:
            os.close(descriptor)

    def _make_folder(self, folder: Path) -> None:
        made = [above for above in (folder, *folder.parents) if not above.exists()]
        if made:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._lock:
                self._unsynced.update(above.parent for above in made)

    def _sync_folders(self) -> None:
        with self._lock:
            unsynced, self._unsynced = self._unsynced, set()
        for folder in unsynced:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._sync(descriptor)
            finally:
                os.close(descriptor)

    def _sync(self, descriptor: int) -> None:
        try:
            if _FULL_SYNC is not None:
                fcntl.fcntl(descriptor, _FULL_SYNC)
            else:
                os.fsync(descriptor)
        except OSError as error:
            self._broken = error
            raise StoreBroken("the disk failed to keep what was written") from error


@contextmanager
def _reading(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing(key) from error
    except OSError as error:
        raise StoreUnavailable(f"the store's folder failed: {error}") from error


def _write_all(descriptor: int, parts: Sequence[bytes]) -> None:
    size = sum(map(len, parts))
    written = os.writev(descriptor, parts)
    if written == size:
        return
    rest = memoryview(b"".join(parts))[written:]
    while rest:
        rest = rest[os.write(descriptor, rest) :]
