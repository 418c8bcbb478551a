"""What people hear of a build: its progress while it goes on, and why it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from ...api import BuildProgress
from ...errors import BuildFailed, FarcellError, ImageNotSupported
from .build_output import Failure
from .finish import SENTENCE
from .flight import Tell


class BuildTelling:
    """`names` says what each step does; `tell` is called on `loop`.

    `begin` and `hear` may be called from any thread, one at a time.
    """

    def __init__(self, names: Sequence[str], tell: Tell, loop: asyncio.AbstractEventLoop) -> None:
        self._names = names
        self._tell = tell
        self._loop = loop
        self._newest = BuildProgress(0, len(names), "")

    def begin(self, step: int) -> None:
        """Says nothing where that step has begun already."""
        if step != self._newest.step:
            self._put(BuildProgress(step, len(self._names), self._names[step - 1]))

    def hear(self, line: str) -> None:
        self._put(replace(self._newest, line=line))

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
        self._newest = progress
        self._loop.call_soon_threadsafe(self._tell, progress)
