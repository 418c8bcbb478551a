"""What people hear of a build: its progress while it goes on, its log, and why it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ...api import BuildProgress
from ...errors import BuildFailed, FarcellError, ImageNotSupported
from .build_log import BuildLog
from .build_output import Failure
from .finish import SENTENCE
from .flight import Tell


class BuildTelling:
    """`names` says what each step does. `begin` and `hear` may be called from any thread, one at a time."""

    def __init__(
        self, names: Sequence[str], lines: BuildLog, tell: Tell, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._names = names
        self._log = lines
        self._tell = tell
        self._loop = loop
        self._newest = BuildProgress(0, len(names), "")
        self._is_scheduled = False

    def begin(self, step: int) -> None:
        """Says nothing where that step has begun already."""
        if step != self._newest.step:
            what = self._names[step - 1]
            self._log.put(f"step {step} of {len(self._names)}: {what}")
            self._put(BuildProgress(step, len(self._names), what))

    def hear(self, line: str) -> None:
        self._log.put(line)
        self._put(BuildProgress(self._newest.step, self._newest.steps, self._newest.what, line))

    def failed(self, failure: Failure) -> FarcellError:
        what = self._names[failure.step - 1]
        if failure.lines and failure.code == 3 and (said := failure.lines[-1]).startswith(SENTENCE):
            return ImageNotSupported(f"{what}: {said.removeprefix(SENTENCE)}")
        last = "".join(f"\n  {line}" for line in failure.lines)
        return BuildFailed(
            f"step {failure.step} of {len(self._names)} of the image failed: {what}: {failure.reason}{last}",
            step=failure.step,
            steps=len(self._names),
            what=what,
            lines=[*failure.lines],
        )

    def _put(self, progress: BuildProgress) -> None:
        """The newest is told when the loop comes to it: what came between is in the log."""
        self._newest = progress
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon_threadsafe(self._tell_newest)

    def _tell_newest(self) -> None:
        self._is_scheduled = False
        self._tell(self._newest)
