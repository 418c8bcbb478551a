"""What a build said, in a file that does not grow without end."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import IO

from ..api import BuildProgress

_log = logging.getLogger(__name__)

MAX_LOG_BYTES = 1 << 20
LEFT_OUT = "… what came before is left out …\n"


class BuildLog:
    """Begins anew with the first thing that is said: a build that had nothing to do leaves the last one's log.

    A disk that takes nothing does not end the build.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self._step = 0
        self._bytes = 0

    def write(self, progress: BuildProgress) -> None:
        if progress.step != self._step:
            self._step = progress.step
            self._put(f"step {progress.step} of {progress.steps}: {progress.what}\n")
        if progress.line:
            self._put(f"  {progress.line}\n")

    def end(self, said: str | None) -> None:
        """With a last line, if there was anything to do."""
        if said is not None:
            self._put(f"{said}\n")
        if self._file is not None:
            self._file.close()
            self._file = None

    def _put(self, text: str) -> None:
        try:
            if self._file is None:
                self._file = self._opened()
            if self._bytes > MAX_LOG_BYTES:
                self._halve()
            self._file.write(text)
            self._file.flush()
            self._bytes += len(text.encode())
        except OSError as error:
            _log.warning("the build log %s can't be written: %s", self._path, error)

    def _opened(self) -> IO[str]:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        return os.fdopen(descriptor, "w", encoding="utf-8", errors="replace")

    def _halve(self) -> None:
        kept = self._path.read_bytes()[-MAX_LOG_BYTES // 2 :]
        assert self._file is not None
        self._file.close()
        self._file = self._opened()
        self._file.write(LEFT_OUT + kept.split(b"\n", 1)[-1].decode(errors="replace"))
        self._bytes = len(kept)
