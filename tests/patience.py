"""Waiting for facts, with a deadline that only a failure reaches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

DEADLINE_S = 60.0
LOOK_EVERY_S = 0.002


async def until(fact: Callable[[], object]) -> None:
    """Lets other tasks run until `fact` holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not fact():  # noqa: ASYNC110 - a fact about the real thing tells nobody when it comes true
            await asyncio.sleep(LOOK_EVERY_S)
