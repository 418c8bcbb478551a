"""An agent at the wire level: hello, ready, attested time, and lines of output; no kernel."""

from __future__ import annotations

import asyncio
import secrets
from typing import Self

from load import line
from raw_websockets import TEXT, RawWebSocket

from farcell.remote_runtime.api import IdleReport
from farcell.remote_runtime.wire import Kind, Message, Priority, Stream, control, messages, numbered

SUBPROTOCOL = "farcell.agent.v1"
BROADCAST = 0


class PlayedAgent:
    """What it says goes through the stream that agents use, which holds it back as it does theirs."""

    def __init__(self, connection: RawWebSocket) -> None:
        self.connection = connection
        self._stream = Stream(secrets.token_hex(8))
        self._welcomed: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._room = asyncio.Event()

    @classmethod
    async def dial(cls, socket: str, lease_id: str, token: str) -> Self:
        headers = {"Authorization": f"Bearer {token}", "Sec-WebSocket-Protocol": SUBPROTOCOL}
        target = f"/farcell/v1/agents/{lease_id}/connect"
        agent = cls(await RawWebSocket.connect(socket, target, headers))
        agent.connection.received = agent._received
        await agent._begin()
        return agent

    async def _begin(self) -> None:
        hello = control.Hello(secrets.token_hex(16), self._stream.hello(), pid=1, python="3.11.7")
        self.connection.send(control.encode(hello), TEXT)
        welcome = control.decode_from_gateway(await self._welcomed)
        assert isinstance(welcome, control.Welcome)
        assert self._stream.resume(welcome.stream)
        self._tell(control.Ready(kernel_pid=1, uptime_ms=0))
        self._tell(control.Status(busy=False, idle=IdleReport()))
        self._tell(control.Usage(uptime_ms=1_000))

    def _tell(self, order: control.Control) -> None:
        self._send(Message(Kind.CONTROL, BROADCAST, control.encode(order), Priority.HIGH))

    async def send_lines(self, count: int) -> None:
        """As an agent does: each as a frame of its own, as soon as the kernel has said it and the window is open."""
        parent = messages.new_header("execute_request", "benchmark")
        for number in range(count):
            header = messages.new_header("stream", "benchmark")
            message = messages.pack(messages.encode("iopub", header, parent, content=line(number)))
            self._send(Message(Kind.KERNEL, BROADCAST, numbered.pack(number, number + 1, message)))
            await self._until_written()

    def _send(self, message: Message) -> None:
        self._stream.send(message)
        self._flush()

    def _flush(self) -> None:
        while (frame := self._stream.next_frame()) is not None:
            self.connection.send(frame)
        self._room.set()

    async def _until_written(self) -> None:
        await self.connection.room()
        while not self._stream.writable:
            self._room.clear()
            await self._room.wait()

    def _received(self, payloads: list[bytes]) -> None:
        if not self._welcomed.done():
            self._welcomed.set_result(payloads.pop(0))
        for payload in payloads:
            self._stream.receive(payload)
        self._flush()
