"""Who talks to a gateway in these tests: a user over HTTP and WebSockets, a notebook on channels, raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakSet

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from farcell.remote_runtime.api.json_form import decode, encode
from farcell.remote_runtime.wire import messages

DEADLINE_S = 60.0
"""How long anything may take before its test fails; far more than it needs."""
V1 = "v1.kernel.websocket.jupyter.org"


class Answer(NamedTuple):
    status: int
    json: Any
    text: str = ""


async def until(holds: Callable[[], Any]) -> Any:
    """Waits for `holds` to give something true, and gives that."""
    async with asyncio.timeout(DEADLINE_S):
        while not (found := holds()):  # noqa: ASYNC110 (what is looked at is not asyncio's)
            await asyncio.sleep(0.01)
        return found


@dataclass
class Face:
    """One user, or (without a token) nobody."""

    port: int
    token: str | None = None
    name: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, headers=headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else encode({} if body is None else body)
        return await self.ask("POST", path, data, headers=headers)

    async def delete(self, path: str) -> Answer:
        return await self.ask("DELETE", path)

    async def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        client = AsyncHTTPClient(force_instance=True)
        try:
            response = await client.fetch(self.request(path, method, body, headers or {}), raise_error=False)
        finally:
            client.close()
        text = response.body.decode()
        if response.headers.get("Content-Type", "").startswith("application/json"):
            return Answer(response.code, decode(response.body), text)
        return Answer(response.code, None, text)

    def request(
        self, path: str, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> HTTPRequest:
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return HTTPRequest(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            body=body,
            headers={**authorization, **self.headers, **(headers or {})},
            allow_nonstandard_methods=True,
            request_timeout=DEADLINE_S,
        )

    async def session(self, request: Any = "H100", **changes: Any) -> Answer:
        """Asks for a session; `changes` go into the key, but for `settings`, `image` and `walls`."""
        body = {"request": request, "key": {"machine": "laptop", "path": "a.ipynb", "name": "main"}}
        for name in ("settings", "image", "walls"):
            if name in changes:
                body[name] = changes.pop(name)
        body["key"] |= changes
        return await self.post("/farcell/v1/sessions", body)

    async def state(self, session_id: str) -> str:
        return str((await self.get(f"/farcell/v1/sessions/{session_id}")).json["state"])

    async def until_state(self, session_id: str, *states: str) -> Any:
        """The session's JSON once it is in one of those states."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                session = (await self.get(f"/farcell/v1/sessions/{session_id}")).json
                if session["state"] in states:
                    return session
                await asyncio.sleep(0.02)

    async def websocket(self, path: str, *subprotocols: str) -> WebSocketClientConnection:
        """Raises `HTTPClientError` where the gateway refuses it."""
        request = self.request(path)
        request.url = "ws" + request.url.removeprefix("http")
        return await websocket_connect(request, subprotocols=list(subprotocols) or None)

    async def refused_websocket(self, path: str, *subprotocols: str) -> Answer:
        with pytest.raises(HTTPClientError) as refusal:
            (await self.websocket(path, *subprotocols)).close()
        response = refusal.value.response
        assert response is not None
        return Answer(response.code, decode(response.body))

    @asynccontextmanager
    async def channels(self, session_id: str) -> AsyncIterator[Channels]:
        connection = await self.websocket(f"/api/kernels/{session_id}/channels", V1)
        try:
            yield Channels(connection)
        finally:
            await closed(connection)


_ended: WeakSet[WebSocketClientConnection] = WeakSet()


def is_ended(connection: WebSocketClientConnection) -> bool:
    return connection in _ended


async def read(
    connection: WebSocketClientConnection, *, deadline_s: float | None = DEADLINE_S
) -> str | bytes | None:
    """The next message; None once it is closed, however often it is asked (tornado says so once)."""
    if connection in _ended:
        return None
    async with asyncio.timeout(deadline_s):
        message = await connection.read_message()
    if message is None:
        _ended.add(connection)
    return message


async def closed(connection: WebSocketClientConnection) -> None:
    """Closes it, and drops what is still there."""
    connection.close()
    await close_code(connection)


async def close_code(connection: WebSocketClientConnection) -> tuple[int | None, str | None]:
    """With which code and reason the gateway closes the WebSocket."""
    while await read(connection) is not None:
        pass
    connection.close()
    return connection.close_code, connection.close_reason


class Told(NamedTuple):
    """A kernel message as a notebook reads it."""

    channel: str
    type: str
    content: dict[str, Any]
    parent_id: str


class Channels:
    """A notebook on one kernel's channels, in the v1 layout."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection = connection

    async def read(self) -> Told | None:
        """None once the gateway has closed it."""
        data = await read(self.connection)
        if data is None:
            return None
        assert isinstance(data, bytes)
        message = messages.unpack(data)
        header, parent = json.loads(message.header), json.loads(message.parent_header)
        return Told(
            message.channel, header["msg_type"], json.loads(message.content), parent.get("msg_id", "")
        )

    async def send(self, msg_type: str, content: dict[str, Any], channel: str = "shell") -> str:
        return await self.send_bytes(
            msg_id := uuid.uuid4().hex, kernel_message(msg_type, content, channel, msg_id)
        )

    async def send_bytes(self, msg_id: str, data: bytes) -> str:
        await self.connection.write_message(data, binary=True)
        return msg_id

    async def execute(self, code: str) -> list[Told]:
        """Everything that answers a cell, up to its reply and its idle status."""
        return await self.answers(await self.send("execute_request", execute_content(code)))

    async def answers(self, msg_id: str) -> list[Told]:
        told: list[Told] = []
        while not (is_idle(told) and any(one.type.endswith("_reply") for one in told)):
            message = await self.read()
            assert message is not None, f"closed: {self.connection.close_code} after {told}"
            if message.parent_id == msg_id:
                told.append(message)
        return told

    async def value(self, expression: str) -> str:
        """What a cell prints."""
        told = await self.execute(f"print({expression})")
        return "".join(one.content["text"] for one in told if one.type == "stream").strip()


def is_idle(told: list[Told]) -> bool:
    return any(one.type == "status" and one.content["execution_state"] == "idle" for one in told)


def execute_content(code: str) -> dict[str, Any]:
    return {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": True,
    }


def kernel_message(msg_type: str, content: dict[str, Any], channel: str = "shell", msg_id: str = "") -> bytes:
    header = {
        "msg_id": msg_id or uuid.uuid4().hex,
        "msg_type": msg_type,
        "session": "test",
        "username": "test",
        "date": "2026-01-01T00:00:00+00:00",
        "version": "5.3",
    }
    return messages.pack(messages.encode(channel, header, content=content))


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare TCP connection, with a deadline for all that is done on it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(port: int, data: bytes) -> bytes:
    """What a gateway answers to raw bytes, until it closes the connection."""
    answer = bytearray()
    async with connection(port) as (reader, writer):
        writer.write(data)
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                answer += piece
    return bytes(answer)


def parsed(answer: bytes) -> Answer:
    """The first HTTP answer in raw bytes, whose body is JSON."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line
    )
    return Answer(status, decode(rest[:length]))


def is_error(answer: Answer, status: int, code: str) -> bool:
    """Whether it is the one form of an error, with that status and code."""
    return (
        answer.status == status
        and isinstance(answer.json, dict)
        and set(answer.json) == {"code", "message", "details"}
        and answer.json["code"] == code
        and bool(answer.json["message"])
    )
