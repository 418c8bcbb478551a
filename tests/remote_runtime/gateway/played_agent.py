"""The test as the agent of a lease, behaving or not: real frames on a real WebSocket, without a kernel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tornado.websocket import WebSocketClientConnection, WebSocketClosedError

from farcell.remote_runtime.api import LeaseId
from farcell.remote_runtime.errors import BadFrame
from farcell.remote_runtime.wire import Kind, Message, Priority, Stream, control, numbered

from .conftest import House
from .faces import DEADLINE_S, Face, closed, is_ended, read, until

SUBPROTOCOL = "farcell.agent.v1"
NONCE = "0123456789abcdef"


async def lease_of(face: Face, session_id: str) -> LeaseId:
    """The lease of a session that is about to start, once it is written down."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            lease = (await face.get(f"/farcell/v1/sessions/{session_id}")).json["lease"]
            if lease is not None and lease["state"] != "ended" and await _is_written(face, lease["id"]):
                return LeaseId(lease["id"])
            await asyncio.sleep(0.02)


async def _is_written(face: Face, lease_id: str) -> bool:
    leases = (await face.get("/farcell/v1/leases?all=1")).json["leases"]
    return lease_id in {lease["id"] for lease in leases}


async def token_of(house: House, lease_id: LeaseId) -> str:
    path = house.gateway.keeper.folders.lease(lease_id) / "token"
    await until(lambda: path.exists() and path.read_text().strip())
    return path.read_text().strip()


async def dial(house: House, lease_id: str, token: str | None) -> WebSocketClientConnection:
    face = Face(house.port, token)
    return await face.websocket(f"/farcell/v1/agents/{lease_id}/connect", SUBPROTOCOL)


def hello(nonce: str = NONCE, stream: Any = None) -> control.Hello:
    return control.Hello(nonce, (stream or Stream("played")).hello())


class PlayedAgent:
    """One connection of an agent, greeted."""

    def __init__(self, connection: WebSocketClientConnection, stream: Stream) -> None:
        self.connection = connection
        self.stream = stream
        self._heard: asyncio.Queue[Message] = asyncio.Queue()

    async def greet(self, nonce: str = NONCE) -> control.Welcome:
        await self.connection.write_message(control.encode(hello(nonce, self.stream)).decode())
        answer = await read(self.connection)
        assert isinstance(answer, str), f"closed: {self.connection.close_code} {self.connection.close_reason}"
        welcome = control.decode_from_gateway(answer)
        assert isinstance(welcome, control.Welcome)
        assert self.stream.resume(welcome.stream)
        return welcome

    async def tell(self, *orders: control.Control) -> None:
        for order in orders:
            await self.send(Message(Kind.CONTROL, 0, control.encode(order), Priority.HIGH))

    async def say(self, client: int, message: bytes) -> None:
        """A kernel message to that client; it is in no journal."""
        await self.send(Message(Kind.KERNEL, client, numbered.pack(0, 0, message)))

    async def send(self, message: Message) -> None:
        self.stream.send(message)
        await self.flush()

    async def flush(self) -> None:
        while (frame := self.stream.next_frame()) is not None:
            await self.connection.write_message(frame, binary=True)

    async def listen(self, *, is_mad: bool) -> None:
        """Takes what the gateway sends, and sends what its acknowledgements make room for, until the link is closed.

        Who is mad sends frames that its stream knows nothing of, and does not mind that they are acknowledged.
        """
        while isinstance(frame := await read(self.connection, deadline_s=None), bytes):
            try:
                message = self.stream.receive(frame)
            except BadFrame:
                if not is_mad:
                    raise
                continue
            with contextlib.suppress(WebSocketClosedError):
                await self.flush()
            if message is not None:
                self._heard.put_nowait(message)

    async def hear(self) -> Message:
        """The gateway's next message."""
        async with asyncio.timeout(DEADLINE_S):
            return await self._heard.get()

    async def hear_order(self, kind: type[control.Control]) -> Any:
        """The gateway's next order of that kind; others are passed over."""
        while True:
            message = await self.hear()
            if message.kind is Kind.CONTROL:
                order = control.decode_from_gateway(message.body)
                if isinstance(order, kind):
                    return order

    async def hear_kernel(self) -> Message:
        while (message := await self.hear()).kind is not Kind.KERNEL:
            pass
        return message

    async def refused(self) -> tuple[int | None, str | None]:
        """With which code and reason the gateway closes the link."""
        await until(lambda: is_ended(self.connection))
        return self.connection.close_code, self.connection.close_reason

    async def ready(self) -> None:
        await self.tell(control.Ready(kernel_pid=1, uptime_ms=0))


@asynccontextmanager
async def played(
    house: House,
    lease_id: LeaseId,
    *,
    stream: Stream | None = None,
    nonce: str = NONCE,
    is_mad: bool = False,
) -> AsyncIterator[PlayedAgent]:
    connection = await dial(house, lease_id, await token_of(house, lease_id))
    agent = PlayedAgent(connection, stream or Stream("played"))
    try:
        await agent.greet(nonce)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(agent.listen(is_mad=is_mad))
            yield agent
            listening.cancel()
    finally:
        await closed(connection)
