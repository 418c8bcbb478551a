"""However much garbage comes, the gateway's process does not grow."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from pathlib import Path

import psutil
import pytest
from tornado.websocket import WebSocketClosedError

from .conftest import NO_AGENT
from .faces import V1, Face, close_code, until
from .gateway_process import gateway_process, new_user
from .played_agent import SUBPROTOCOL, lease_of

AT_ONCE = 10
WARM_UP = 300
MAX_GROWTH_BYTES = 20 << 20
LARGEST = 100_000


async def annoy(face: Face, path: str, subprotocols: tuple[str, ...], garbage: bytes) -> None:
    connection = await face.websocket(path, *subprotocols)
    with contextlib.suppress(WebSocketClosedError):
        await connection.write_message(garbage, binary=True)
    assert (await close_code(connection))[0] in (1007, 1008)


@pytest.mark.parametrize("count", [2_000, pytest.param(50_000, marks=pytest.mark.soak)])
async def test_garbage_connections_leave_nothing_behind(data_dir: Path, count: int):
    """If each left its message behind, 2,000 of them would take 100 MB."""
    token = await new_user(data_dir)
    async with gateway_process(data_dir, agent=NO_AGENT) as (process, port):
        ada = Face(port, token)
        session_id = str((await ada.session()).json["id"])
        lease_id = await lease_of(ada, session_id)
        of_agent = data_dir / "leases" / lease_id / "token"
        await until(lambda: of_agent.exists() and of_agent.read_text().strip())
        agent = Face(port, of_agent.read_text().strip())
        channels = f"/api/kernels/{session_id}/channels"
        ways = itertools.cycle(
            [
                (ada, channels, (V1,)),
                (ada, channels, ("farcell.client.v1",)),
                (ada, f"{channels}?session_id=a", ()),
                (agent, f"/farcell/v1/agents/{lease_id}/connect", (SUBPROTOCOL,)),
            ]
        )
        chance = random.Random(1)

        async def rounds(number: int) -> None:
            for _ in range(number // AT_ONCE):
                garbage = chance.randbytes(chance.randrange(LARGEST))
                await asyncio.gather(*(annoy(*next(ways), garbage) for _ in range(AT_ONCE)))

        resident = psutil.Process(process.pid).memory_info
        await rounds(WARM_UP)
        before = resident().rss
        await rounds(count)
        assert resident().rss - before < MAX_GROWTH_BYTES
        assert await ada.state(session_id) == "starting"
        await ada.delete(f"/farcell/v1/sessions/{session_id}")
