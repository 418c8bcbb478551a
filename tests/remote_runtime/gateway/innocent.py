"""A user who minds her own business while others annoy the gateway, and should not notice it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from .conftest import House
from .faces import Channels, Face, kernel_message
from .played_agent import PlayedAgent, lease_of, played

PAUSE_S = 0.05


@dataclass
class Innocent:
    """A notebook that talks with its kernel, which the test plays."""

    face: Face
    session_id: str
    lease_id: str
    agent: PlayedAgent
    channels: Channels
    rounds: int = 0

    async def session(self) -> Any:
        return (await self.face.get(f"/farcell/v1/sessions/{self.session_id}")).json

    async def round(self) -> None:
        """A message to the kernel and its answer; each has the gateway's usual deadline."""
        asked = kernel_message("kernel_info_request", {})
        await self.channels.connection.write_message(asked, binary=True)
        heard = await self.agent.hear_kernel()
        assert heard.body == asked
        await self.agent.say(heard.client, kernel_message("kernel_info_reply", {}))
        told = await self.channels.read()
        assert told is not None, "her channels were closed"
        assert told.type == "kernel_info_reply"
        self.rounds += 1

    async def go_on(self) -> None:
        while True:
            await self.round()
            await asyncio.sleep(PAUSE_S)


@asynccontextmanager
async def innocent(house: House) -> AsyncIterator[Innocent]:
    """Her notebook goes on while the context lasts, and her session is afterwards as it was."""
    face = await house.user("innocent")
    session_id = str((await face.session("cpu", path="her.ipynb")).json["id"])
    lease_id = await lease_of(face, session_id)
    async with played(house, lease_id) as agent, face.channels(session_id) as channels:
        await agent.ready()
        before = await face.until_state(session_id, "idle")
        one = Innocent(face, session_id, lease_id, agent, channels)
        await one.round()
        async with asyncio.TaskGroup() as tasks:
            going_on = tasks.create_task(one.go_on())
            yield one
            going_on.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await going_on
        assert one.rounds > 1
        assert await one.session() == before
