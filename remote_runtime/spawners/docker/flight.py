"""One build that several callers wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ...api import BuildProgress
from ...errors import Unavailable

Tell = Callable[[BuildProgress], None]


class Flight:
    """Goes on while anybody waits for it; when the last one gives up, so does it.

    Everybody is told its progress, who comes late where it is.
    """

    def __init__(self, work: Callable[[Tell], Awaitable[None]]) -> None:
        self._listeners: list[Tell] = []
        self._newest: BuildProgress | None = None
        self._given_up = False
        self._task = asyncio.ensure_future(work(self._tell))

    @property
    def can_be_joined(self) -> bool:
        return not self._given_up and not self._task.done()

    async def join(self, tell: Tell) -> None:
        """Returns, or raises, what the work does."""
        self._listeners.append(tell)
        try:
            if self._newest is not None:
                tell(self._newest)
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if self._task.cancelled() and not _is_cancelled():
                raise Unavailable("the image is not built any more: the gateway is about to end") from None
            raise
        finally:
            self._listeners.remove(tell)
            if not self._listeners and not self._task.done():
                await self.give_up()

    async def give_up(self) -> None:
        """Returns when nothing of it goes on any more, also if the caller is cancelled meanwhile."""
        self._given_up = True
        self._task.cancel()
        await self.over()

    async def over(self) -> None:
        while not self._task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # whoever waits has it; nobody may be left

    def _tell(self, progress: BuildProgress) -> None:
        self._newest = progress
        for listener in [*self._listeners]:
            listener(progress)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
