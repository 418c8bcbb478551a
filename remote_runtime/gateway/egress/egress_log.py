"""What a lease's containers asked of the proxy: a line for each connection, in the lease's folder."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from ...api import LeaseId
from .policy import Target

_log = logging.getLogger(__name__)

MAX_LOG_BYTES = 1 << 20
_LEFT_OUT = b"(older lines were left out)\n"


class EgressLog:
    """Appends to ``egress.log``, which keeps its newer half when it is full; paths and queries are never in it."""

    def __init__(self, lease_id: LeaseId, path: Path, max_bytes: int = MAX_LOG_BYTES) -> None:
        self._lease_id = lease_id
        self._path = path
        self._max_bytes = max_bytes

    def write(self, target: Target | None, decision: str, sent: int, received: int) -> None:
        """`decision` is ``allowed``, or why not; the bytes are the container's."""
        where = str(target) if target else "-"
        line = f"lease {self._lease_id}: {where} {decision}, {sent} bytes out, {received} bytes in"
        _log.info("%s", line)
        try:
            self._append(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {line}\n".encode())
        except OSError as error:  # a full disk does not close the way
            _log.warning("lease %s: %s can't be written: %s", self._lease_id, self._path.name, error)

    def _append(self, line: bytes) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(self._path, flags, 0o600), "r+b") as file:
            if os.fstat(file.fileno()).st_size + len(line) > self._max_bytes:
                file.seek(-min(self._max_bytes // 2, os.fstat(file.fileno()).st_size), os.SEEK_END)
                kept = file.read().partition(b"\n")[2]
                file.truncate(0)
                file.write(_LEFT_OUT + kept)
            file.write(line)
