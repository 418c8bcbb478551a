"""The archives that images copy, in the gateway's folder: each in a file that is named by its SHA-256."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from ..api.image_files import MAX_ARCHIVE_BYTES
from ..config import make_private
from ..errors import BadRequest, TooLarge

MAX_ALL_BYTES = 20 << 30
"""Of all archives together; what was used longest ago goes first. Who needs it again is asked for it."""
MAX_BYTES = MAX_ARCHIVE_BYTES + (64 << 20)
"""Of one archive: with what tar adds to its files."""


class ImageFiles:
    """Every method blocks for no longer than the disk does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, sha256: str) -> bool:
        """Whether it is there; then it is not the next to go."""
        try:
            os.utime(self._folder / sha256)
        except FileNotFoundError:
            return False
        return True

    def receive(self, sha256: str) -> Incoming:
        make_private(self._folder)
        return Incoming(self._folder, sha256)

    def make_room(self, keep: str) -> None:
        """Removes what is beyond `MAX_ALL_BYTES`, but never `keep`, and what a killed gateway had begun to receive."""
        found = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total > MAX_ALL_BYTES and path.name != keep:
                path.unlink(missing_ok=True)
                total -= size


class Incoming:
    """One archive while it comes; `commit` or `drop` ends it."""

    def __init__(self, folder: Path, sha256: str) -> None:
        self._target = folder / sha256
        self._path = folder / f".{sha256}.{secrets.token_hex(4)}"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._digest = hashlib.sha256()
        self._bytes = 0

    def write(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            raise TooLarge(f"an archive has at most {MAX_BYTES} bytes")
        self._digest.update(data)
        self._file.write(data)

    def commit(self) -> None:
        """Raises `BadRequest`, and keeps nothing, where it is not the archive of that name."""
        if self._digest.hexdigest() != self._target.name:
            self.drop()
            raise BadRequest("what came has another SHA-256: it changed on its way, or since it was named")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.replace(self._target)

    def drop(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)
