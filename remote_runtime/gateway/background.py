"""Work that nobody waits for: tasks of one group, each of which logs its own failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

_log = logging.getLogger(__name__)


class Background:
    """`async with` it; leaving cancels what still runs and waits for it."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, object], what: str) -> None:
        """Runs `work`; `what` names it in the log if it fails."""
        task = self._group.create_task(_guarded(work, what), name=what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in list(self._tasks):
            task.cancel()
        await self._group.__aexit__(kind, error, traceback)


async def _guarded(work: Coroutine[Any, Any, object], what: str) -> None:
    try:
        await work
    except Exception:  # noqa: BLE001 (a task's outermost level)
        _log.exception("%s failed", what)
