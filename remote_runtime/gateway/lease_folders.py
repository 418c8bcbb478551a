"""What lies on the gateway's disk for leases: folders, journals, logs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from .. import config
from ..api import LeaseId, UserId
from ..journal import JournalReader, Kind
from ..logs import format as log_format
from .session_logs import LogFiles, as_text

KEPT_LOGS = 4
"""So many leases' logs, if they are full, are kept of one session."""


class LeaseFolders:
    """Below the gateway's own folder; every method blocks for no longer than the disk does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def socket(self) -> Path:
        """The unix socket on which agents reach this gateway."""
        return config.socket_path(self._folder)

    def lease(self, lease_id: LeaseId) -> Path:
        return self._folder / "leases" / lease_id

    @property
    def builds(self) -> Path:
        """What builds of images share; see `SpawnerSetup.build_egress`."""
        return self._folder / "builds"

    def journal(self, lease_id: LeaseId) -> Path:
        """Written by the lease's agent; belongs to the session, and outlives the lease."""
        return self.lease(lease_id) / "journal"

    @property
    def caches(self) -> Path:
        return self._folder / "cache"

    def cache(self, owner: UserId) -> Path:
        """What all containers of one user share."""
        return self.caches / owner

    def has_cells(self, lease_id: LeaseId) -> bool:
        """Whether an agent of this lease has ever taken a cell, by its journal."""
        return any(record.kind is Kind.ACCEPTED for record in JournalReader(self.journal(lease_id)).read())

    def make(self, lease_id: LeaseId, owner: UserId) -> None:
        for path in (self.lease(lease_id), self.cache(owner)):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def empty(self, lease_id: LeaseId) -> None:
        """The journal and the log outlive a lease; silent where nothing of it is there."""
        folder = self.lease(lease_id)
        for path in folder.iterdir() if folder.is_dir() else ():
            if path in (self.journal(lease_id), self._log(lease_id)):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.suffix != ".log":
                path.unlink(missing_ok=True)

    def trim_journals(self, newest_first: Iterable[LeaseId], limit_bytes: int) -> None:
        """Keeps a session's journals within a limit: the newest is kept whole, of the others as many as fit."""
        taken = 0
        for number, lease_id in enumerate(newest_first):
            taken += JournalReader(self.journal(lease_id)).size_bytes()
            if number and taken > limit_bytes:
                shutil.rmtree(self.journal(lease_id), ignore_errors=True)

    # --- logs ---

    def _log(self, lease_id: LeaseId) -> Path:
        """Written by the lease's agent: its own lines, and the kernel's. Outlives the lease."""
        return self.lease(lease_id) / log_format.FOLDER

    def build_log(self, digest: str) -> Path:
        """What the build of an image said; written where images are built."""
        return self._folder / "builds" / f"{digest}.log"

    def log_files(self, lease_id: LeaseId | None, digest: str | None = None) -> LogFiles:
        return LogFiles(
            build=self.build_log(digest) if digest else None,
            lease_id=lease_id,
            lease=self.lease(lease_id) if lease_id else None,
        )

    def log_tail(self, lease_id: LeaseId, max_bytes: int = 4000) -> str:
        """The end of what the container's processes wrote."""
        files = self.log_files(lease_id)
        lines, _ = files.read(files.end(max_bytes), max_bytes)
        return as_text(lines, marked=False)

    def trim_logs(self, newest_first: Iterable[LeaseId], limit_bytes: int) -> None:
        """Keeps the logs of a session's leases within a limit, as `trim_journals` its journals."""
        taken = 0
        for number, lease_id in enumerate(newest_first):
            taken += sum(path.stat().st_size for path in self._log_paths(lease_id))
            if number and taken > limit_bytes:
                self._remove_logs(lease_id)

    def remove_old_logs(self, running: Iterable[LeaseId], max_age_s: float) -> int:
        """Of leases that do not run, and of builds, those not written for so long; returns how many files went."""
        kept, before = set(running), time.time() - max_age_s
        leases = self._folder / "leases"
        names = [LeaseId(path.name) for path in leases.iterdir()] if leases.is_dir() else []
        old = [path for name in names if name not in kept for path in self._log_paths(name)]
        old += (self._folder / "builds").glob("*.log")
        removed = 0
        for path in old:
            try:
                if path.lstat().st_mtime < before:
                    path.unlink()
                    removed += 1
            except FileNotFoundError:
                continue
        return removed

    def _log_paths(self, lease_id: LeaseId) -> list[Path]:
        folder = self.lease(lease_id)
        return [*folder.glob("*.log"), *self._log(lease_id).glob("*.log")]

    def _remove_logs(self, lease_id: LeaseId) -> None:
        for path in self._log_paths(lease_id):
            path.unlink(missing_ok=True)
