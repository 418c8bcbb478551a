"""The agent's one WebSocket to the gateway: dials, says hello, carries the stream, dials again."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable
from typing import Any, Protocol

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.netutil import Resolver
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    WebSocketError,
    websocket_connect,
)

from ..errors import BadFrame
from ..wire import Kind, Message, Stream, control
from ..wire.frames import HEAD_BYTES, MAX_PART_BYTES

SUBPROTOCOL = "farcell.agent.v1"
_log = logging.getLogger(__name__)

_FINAL_REFUSALS = frozenset({401, 403, 404, 409, 410, 426})
"""Answers to `Hello` that dialling again won't change: the lease is over, or its token is bound to another agent."""
POLICY_VIOLATION = 1008
"""How the gateway closes on a hello that it will not take: the token is bound to another agent, or the wire too old."""
ACKNOWLEDGE_EVERY_S = 1.0
_FIRST_DELAY_S, _LAST_DELAY_S = 0.05, 0.5


class Refused(Exception):
    """The gateway wants nothing of this agent any more."""


class _UnixResolver(Resolver):
    """Resolves every host to one unix socket."""

    def initialize(self, path: str) -> None:
        self._path = path

    async def resolve(self, *_: object) -> list[tuple[int, Any]]:
        return [(socket.AF_UNIX, self._path)]


class LinkOwner(Protocol):
    """What the link asks and tells, on the event loop."""

    def hello(self, nonce: str, stream: dict[str, Any]) -> control.Hello:
        """What to say first on a new connection."""

    def welcomed(self, welcome: control.Welcome, *, fresh: bool) -> None:
        """A connection is made; `fresh`: the gateway remembers nothing of this agent's stream (it was restarted)."""

    def received(self, message: Message) -> None:
        """A message of the gateway's: each once, in the stream's order."""

    def room(self) -> None:
        """The link is writable again."""


class GatewayLink:
    """Queues messages at any time; they go out when the gateway is there, and again where they may have been lost."""

    def __init__(
        self, socket_path: str, lease_id: str, read_token: Callable[[], str], owner: LinkOwner
    ) -> None:
        self._resolver = _UnixResolver(path=socket_path)
        self._lease_id = lease_id
        self._read_token = read_token
        self._owner = owner
        self._nonce = secrets.token_hex(16)
        self._stream = _new_stream()
        self._anew = False
        """The stream is new, and the owner does not know: the connection that began it broke before its welcome."""
        self._socket: WebSocketClientConnection | None = None
        self._full = False
        self._heard = asyncio.Event()
        self._silence_s = 10.0

    @property
    def writable(self) -> bool:
        """False while so much waits that the sender must hold back."""
        return self._stream.writable

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def send(self, message: Message) -> None:
        self._stream.send(message)
        self._flush()
        self._full = not self._stream.writable

    async def flushed(self) -> None:
        """Waits until the gateway has acknowledged everything."""
        while self._stream.queued_bytes:
            self._heard.clear()
            await self._heard.wait()

    async def acknowledge_regularly(self) -> None:
        """Lets the gateway forget what has arrived."""
        while True:
            await asyncio.sleep(ACKNOWLEDGE_EVERY_S)
            self._stream.acknowledge()
            self._flush()

    async def run(self) -> None:
        """Keeps the link until cancelled; raises `Refused` when dialling again is of no use."""
        delay_s = _FIRST_DELAY_S
        while True:
            try:
                await self._connect_once()
                delay_s = _FIRST_DELAY_S
            except HTTPClientError as error:
                if error.code in _FINAL_REFUSALS:
                    raise Refused(f"the gateway refused this agent: {error}") from error
                _log.info("lease %s: the gateway answered %s", self._lease_id, error.code)
            except (OSError, WebSocketError, BadFrame) as error:
                _log.info("lease %s: no link to the gateway: %s", self._lease_id, error)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _LAST_DELAY_S)

    async def _connect_once(self) -> None:
        connection = await self._dial()
        try:
            await self._handshake(connection)
            self._socket = connection
            self._flush()
            await self._read(connection)
        finally:
            self._socket = None
            self._stream.disconnected()
            connection.close()

    async def _dial(self) -> WebSocketClientConnection:
        request = HTTPRequest(
            f"ws://localhost/farcell/v1/agents/{self._lease_id}/connect",
            headers={"Authorization": f"Bearer {self._read_token()}"},
            connect_timeout=10,
            request_timeout=10,
        )
        return await websocket_connect(
            request,
            subprotocols=[SUBPROTOCOL],
            max_message_size=HEAD_BYTES + MAX_PART_BYTES,
            resolver=self._resolver,
        )

    async def _handshake(self, connection: WebSocketClientConnection) -> None:
        """Says hello; when the gateway has lost the stream's state (it was restarted), once more with a new stream.

        What the agent told and may be lost is told again; the kernel's messages are in the journal.
        """
        welcome, resumed = await self._greet(connection)
        if not resumed:
            self._stream, self._anew = _begun_anew(self._stream), True
            welcome, resumed = await self._greet(connection)
        if not resumed:
            raise BadFrame("the gateway does not take a new stream")
        self._silence_s = welcome.silence_s
        fresh, self._anew = self._anew, False
        self._owner.welcomed(welcome, fresh=fresh)

    async def _greet(self, connection: WebSocketClientConnection) -> tuple[control.Welcome, bool]:
        hello = self._owner.hello(self._nonce, self._stream.hello())
        await connection.write_message(control.encode(hello).decode())
        async with asyncio.timeout(10):
            answer = await connection.read_message()
        if connection.close_code == POLICY_VIOLATION:
            raise Refused(f"the gateway refused this agent: {connection.close_reason}")
        if not isinstance(answer, str):
            raise WebSocketClosedError(
                f"closed before a welcome: {connection.close_code} {connection.close_reason}"
            )
        welcome = control.decode_from_gateway(answer)
        if not isinstance(welcome, control.Welcome):
            raise BadFrame("the gateway's first message is no welcome")
        return welcome, self._stream.resume(welcome.stream)

    async def _read(self, connection: WebSocketClientConnection) -> None:
        while (frame := await self._next(connection)) is not None:
            if isinstance(frame, str):
                raise BadFrame("a text message after the welcome")
            self._heard.set()
            if (message := self._stream.receive(frame)) is not None:
                self._owner.received(message)
            self._flush()
        _log.info(
            "lease %s: the link closed: %s %s", self._lease_id, connection.close_code, connection.close_reason
        )

    async def _next(self, connection: WebSocketClientConnection) -> str | bytes | None:
        """Raises `TimeoutError` on a silent connection: the gateway acknowledges a status every second or so."""
        async with asyncio.timeout(self._silence_s):
            return await connection.read_message()

    def _flush(self) -> None:
        """Writes what the stream's window allows; what is written and lost goes out again after the next hello."""
        while self._socket is not None and (frame := self._stream.next_frame()) is not None:
            try:
                self._socket.write_message(frame, binary=True).add_done_callback(_ignore_closed)
            except WebSocketClosedError:
                self._socket = None
        if self._full and self._stream.writable:
            self._full = False
            self._owner.room()


def _new_stream() -> Stream:
    return Stream(secrets.token_hex(8))


def _begun_anew(old: Stream) -> Stream:
    stream = _new_stream()
    for message in old.unacknowledged():
        if message.kind is Kind.CONTROL:
            stream.send(message)
    return stream


def _ignore_closed(written: asyncio.Future[None]) -> None:
    if not written.cancelled():
        written.exception()
