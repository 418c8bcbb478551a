"""A gateway that holds sessions and relays, with agents and clients played at the wire level: no container is there.

``capacity_farcell.py PROTOCOL``: what the clients speak.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load import (
    ANSWER_S,
    MESSAGES,
    SESSIONS,
    SETTLE_S,
    core_s_per_message,
    memory_bytes,
    server_core,
)
from played_agent import PlayedAgent
from raw_websockets import RawWebSocket
from serving import Measure, serve

IDLE = 500
WARM = 5
"""Sessions that are there before the memory is looked at: what the first needs, the others have too."""


@dataclass
class House:
    """A gateway's process, and how to speak with it."""

    process: subprocess.Popen[bytes]
    port: int
    socket: str
    token: str
    leases: Path

    async def sessions(self, names: Sequence[str]) -> dict[str, str]:
        """New sessions, once their containers count as started: their ids, with those of their leases."""
        for name in names:
            key = {"machine": "benchmark", "path": name, "name": "H100"}
            await asyncio.to_thread(self._ask, "/farcell/v1/sessions", {"request": "H100", "key": key})
        async with asyncio.timeout(ANSWER_S):
            while len(started := await asyncio.to_thread(self._started, names)) < len(names):  # noqa: ASYNC110 (HTTP)
                await asyncio.sleep(0.1)
        return started

    def _started(self, names: Sequence[str]) -> dict[str, str]:
        wanted = set(names)
        found = [session for session in self._list() if session["key"]["path"] in wanted and session["lease"]]
        return {
            session["id"]: session["lease"]["id"]
            for session in found
            if self._token_file(session["lease"]["id"]).exists()
        }

    async def all_idle(self, count: int) -> None:
        """Waits until so many sessions are there, each with a kernel that answers and nothing that runs."""
        async with asyncio.timeout(ANSWER_S):
            while await asyncio.to_thread(self._states) != ["idle"] * count:  # noqa: ASYNC110 (over HTTP)
                await asyncio.sleep(0.1)

    def _states(self) -> list[str]:
        return [session["state"] for session in self._list()]

    def _list(self) -> list[dict[str, Any]]:
        sessions: list[dict[str, Any]] = self._ask("/farcell/v1/sessions")["sessions"]
        return sessions

    def _ask(self, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=ANSWER_S) as response:
            return json.load(response)

    def _token_file(self, lease_id: str) -> Path:
        return self.leases / lease_id / "token"

    async def agent(self, lease_id: str) -> PlayedAgent:
        token = self._token_file(lease_id).read_text("utf-8")
        return await PlayedAgent.dial(self.socket, lease_id, token)

    async def client(self, session_id: str, subprotocol: str) -> RawWebSocket:
        headers = {"Authorization": f"Bearer {self.token}", "Sec-WebSocket-Protocol": subprotocol}
        return await RawWebSocket.connect(self.port, f"/api/kernels/{session_id}/channels", headers)


@contextmanager
def running_gateway() -> Iterator[House]:
    with tempfile.TemporaryDirectory() as name:
        with server_core():
            command = [sys.executable, Path(__file__).with_name("bare_gateway.py"), name]
            process = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            yield House(process, **json.loads(process.stdout.readline()), leases=Path(name) / "leases")
        finally:
            process.terminate()
            process.wait()


class Notebooks:
    """Sessions with their agents and, where `subprotocol` is said, a client each."""

    def __init__(self, house: House, subprotocol: str | None) -> None:
        self._house = house
        self._subprotocol = subprotocol
        self.agents: list[PlayedAgent] = []
        self.clients: list[RawWebSocket] = []

    async def add(self, count: int) -> None:
        first = len(self.agents)
        leases = await self._house.sessions([f"{number}.ipynb" for number in range(first, first + count)])
        for session_id, lease_id in leases.items():
            self.agents.append(await self._house.agent(lease_id))
            if self._subprotocol is not None:
                self.clients.append(await self._house.client(session_id, self._subprotocol))
        await self._house.all_idle(first + count)

    def close(self) -> None:
        for connection in [*self.clients, *(agent.connection for agent in self.agents)]:
            connection.close()


async def memory_per_session(subprotocol: str | None) -> float:
    with running_gateway() as house, closing(Notebooks(house, subprotocol)) as notebooks:
        await notebooks.add(WARM)
        await asyncio.sleep(SETTLE_S)
        before = memory_bytes(house.process.pid)
        await notebooks.add(IDLE)
        await asyncio.sleep(SETTLE_S)
        return (memory_bytes(house.process.pid) - before) / IDLE


async def core_s_per_message_relayed(subprotocol: str) -> float:
    with running_gateway() as house, closing(Notebooks(house, subprotocol)) as notebooks:
        await notebooks.add(SESSIONS)

        async def send_all() -> None:
            await asyncio.gather(*(agent.send_lines(MESSAGES) for agent in notebooks.agents))

        return await core_s_per_message(house.process.pid, notebooks.clients, send_all)


@contextmanager
def played() -> Iterator[Measure]:
    subprotocol = sys.argv[1]
    measures = {
        "memory": lambda: memory_per_session(None),
        "memory with client": lambda: memory_per_session(subprotocol),
        "relay": lambda: core_s_per_message_relayed(subprotocol),
    }
    yield lambda request: asyncio.run(measures[request]())


if __name__ == "__main__":
    serve(played())
