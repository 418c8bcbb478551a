"""Work that nobody waits for: tasks of one group, each of which logs its own failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self

_log = logging.getLogger(__name__)


class Background:
    """`async with` it; leaving cancels what still runs and waits for it."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._left = False

    def repeat(self, work: Callable[[], Awaitable[object]], every_s: float, what: str) -> None:
        """Runs `work` again and again, also after it has failed."""
        self.spawn(_repeat(work, every_s, what), what)

    def spawn(self, work: Coroutine[Any, Any, object], what: str) -> None:
        """Runs `work`; `what` names it in the log if it fails. Once left, it runs nothing more."""
        if self._left:
            work.close()
            return
        task = self._group.create_task(_guarded(work, what), name=what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left = True
        for task in list(self._tasks):
            task.cancel()
        await self._group.__aexit__(kind, error, traceback)


async def _repeat(work: Callable[[], Awaitable[object]], every_s: float, what: str) -> None:
    while True:
        await asyncio.sleep(every_s)
        await _guarded(work(), what)


async def _guarded(work: Awaitable[object], what: str) -> None:
    try:
        await work
    except Exception:  # noqa: BLE001 (a task's outermost level)
        _log.exception("%s failed", what)
