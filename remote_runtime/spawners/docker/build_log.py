"""What is kept of a build's output, in a file that people read."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

MAX_BYTES = 4 << 20
LAST_LINES = 200


class BuildLog:
    """Written from the beginning for each build; of a long one, what is in the middle is left out.

    `put` may be called from any thread, one at a time.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8", errors="surrogateescape")
        path.chmod(0o600)
        self._left = max_bytes
        self._left_out = 0
        self._last: deque[str] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._left_out:
            self._file.write(f"… {self._left_out} lines were left out here\n")
        self._file.writelines(self._last)
        if error is not None:
            self._file.write(f"{str(error) or type(error).__name__}\n")
        self._file.close()

    def put(self, line: str) -> None:
        text = f"{line}\n"
        self._left -= len(text)
        if self._left >= 0:
            self._file.write(text)
            self._file.flush()
            return
        self._last.append(text)
        if len(self._last) > LAST_LINES:
            self._last.popleft()
            self._left_out += 1
