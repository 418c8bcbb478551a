"""``farcell down``: ends what runs for this user on this machine."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

from ..api import Session, from_json
from .command import Command, console, notices
from .sessions import live, told

if TYPE_CHECKING:
    from ..client import GatewayClient


class Down(Command):
    name = "farcell down"
    description = (
        "Ends all your sessions on this machine, and the gateway that was started for them; also what a gateway "
        "that was killed left behind. Sessions on a gateway that you logged in to go on: farcell stop --all"
    )

    def run(self) -> None:
        asyncio.run(_down())


async def _down() -> None:
    from ..client.locate import embedded_gateway_to_end

    gateway = await embedded_gateway_to_end()
    if gateway is None:
        notices.print("nothing runs")
        return
    with closing(gateway), notices.status("ending everything …"):
        ended = await _end(gateway)
    for session in ended:
        console.print(f"ended {told(session)}")
    console.print("ended the gateway")


async def _end(gateway: GatewayClient) -> list[Session]:
    """Returns the sessions that it ended, when the gateway's process is gone too."""
    from ..client.embedded import wait_until_gone

    answer = await gateway.get_json("/farcell/v1/sessions")
    sessions = live(from_json(Session, value) for value in answer["sessions"])
    await gateway.post_json("/farcell/v1/shutdown", {})
    await asyncio.to_thread(wait_until_gone)
    return sessions
