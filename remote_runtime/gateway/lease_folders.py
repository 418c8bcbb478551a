"""What lies on the gateway's disk for leases: folders, journals, logs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from .. import config
from ..api import LeaseId, UserId
from ..journal import JournalReader, Kind


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

    def journal(self, lease_id: LeaseId) -> Path:
        """Written by the lease's agent; belongs to the session, and outlives the lease."""
        return self.lease(lease_id) / "journal"

    def cache(self, owner: UserId) -> Path:
        """What all containers of one user share."""
        return self._folder / "cache" / owner

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
            if path == self.journal(lease_id):
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

    def log_tail(self, lease_id: LeaseId, max_bytes: int = 4000) -> str:
        """The end of what the container's processes wrote."""
        try:
            with (self.lease(lease_id) / "container.log").open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - max_bytes))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""
