"""A gateway's folder in one file: what can't be made again, while the gateway runs or not; and the way back.

The file is a tar, compressed: the database as of one moment, and the journals and logs of all leases. What is left out
can be made again (caches, images), or belongs to what runs (sockets, homes, tokens).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from .. import config
from ..errors import BadRequest, Conflict
from ..logs.format import FOLDER as LOG_FOLDER

DATABASE = "gateway.sqlite"
FACTS = "backup.json"
_KEPT = ("journal", LOG_FOLDER)


@dataclass(frozen=True, slots=True)
class Contents:
    """`database` is false for one that lies elsewhere, and has ways of its own."""

    leases: int
    size_bytes: int
    database: bool


def back_up(folder: Path, target: Path) -> Contents:
    """Writes `target`, which is its user's alone: it has the ledger, and everybody's output. Blocks."""
    if not folder.is_dir():
        raise BadRequest(f"there is no gateway's folder at {folder}")
    making = target.with_name(f".{target.name}.{os.getpid()}")
    descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    leases = 0
    try:
        with (
            os.fdopen(descriptor, "wb") as file,
            tarfile.open(fileobj=file, mode="w:gz", compresslevel=3) as archive,
        ):
            has_database = (folder / DATABASE).exists()
            _add_facts(archive, database=has_database)
            if has_database:
                _add_database(archive, folder / DATABASE)
            for lease in _leases(folder):
                leases += 1
                _add_lease(archive, lease)
            file.flush()
            os.fsync(file.fileno())
        making.rename(target)
    finally:
        making.unlink(missing_ok=True)
    return Contents(leases, target.stat().st_size, has_database)


def restore(source: Path, folder: Path) -> Contents:
    """Makes `folder`, which must not have a database yet. What ran at the backup's time is found gone, and ended."""
    if (folder / DATABASE).exists():
        raise Conflict(
            f"{folder} has a database already: restore into an empty folder, or move that one away"
        )
    config.make_private(folder)
    try:
        with tarfile.open(source, "r:gz") as archive:
            facts = json.loads(_member(archive, FACTS))
            archive.extractall(folder, members=_wanted(archive), filter="data")
    except (OSError, tarfile.TarError, ValueError, KeyError) as error:
        raise BadRequest(f"{source} is no backup that can be read: {error}") from error
    leases = folder / "leases"
    count = len([*leases.iterdir()]) if leases.is_dir() else 0
    return Contents(count, source.stat().st_size, bool(facts["database"]))


def _add_facts(archive: tarfile.TarFile, *, database: bool) -> None:
    facts = {"farcell": version("farcell"), "at": time.time(), "database": database}
    _add_bytes(archive, FACTS, json.dumps(facts).encode())


def _add_database(archive: tarfile.TarFile, path: Path) -> None:
    """As of one moment, beside a gateway that writes on (``sqlite.org/backup.html``)."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".backup-") as folder:
        copy = Path(folder) / DATABASE
        with (
            contextlib.closing(sqlite3.connect(path)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target, pages=1000)
            target.execute("PRAGMA journal_mode=DELETE")
        archive.add(copy, DATABASE)


def _leases(folder: Path) -> Iterator[Path]:
    leases = folder / "leases"
    yield from sorted(leases.iterdir()) if leases.is_dir() else ()


def _add_lease(archive: tarfile.TarFile, lease: Path) -> None:
    """Files that grow are taken as far as they are now; what vanishes is left out."""
    files = [*lease.glob("*.log"), *(path for name in _KEPT for path in sorted((lease / name).glob("*")))]
    for path in files:
        if path.is_symlink() or not path.is_file():
            continue
        with contextlib.suppress(FileNotFoundError):
            _add_bytes(archive, f"leases/{lease.name}/{path.relative_to(lease)}", path.read_bytes())


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), 0o600, int(time.time())
    archive.addfile(member, io.BytesIO(data))


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()


def _wanted(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    return [member for member in archive if member.name == DATABASE or member.name.startswith("leases/")]
