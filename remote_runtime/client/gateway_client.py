"""A gateway as its clients see it: JSON over HTTP, and WebSockets, with the token in the header."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.netutil import DefaultLoopResolver
from tornado.websocket import WebSocketClientConnection, WebSocketError, websocket_connect

from ..api.json_form import decode, encode
from ..errors import BadRequest, FarcellError, GatewayUnreachable, IncompatibleVersion, error_from_json

MAX_MESSAGE_BYTES = 1 << 30
"""The largest kernel message that a client takes from its gateway."""
MAX_BODY_BYTES = 1 << 40
"""Events and journals come in pieces: what bounds them is their end."""
PING_S = 10.0
"""How often a WebSocket is pinged; one that is silent for twice as long is taken for broken."""
ANSWER_PINGS, QUIET_PINGS = 5, 2
"""In those: how long a question may wait for its answer, and how long a body may pause."""
PIECE_BYTES = 1 << 20
CHANGE_S, STREAM_S = 150.0, 24 * 3600.0
"""How long a request that changes something may take, and a body."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a gateway is and how to speak with it; `ca` is a file of certificates to trust beside the system's.

    `trusted`: values that need unpickling may be taken from its sessions. `local`: it is this user's own, on this
    machine.
    """

    url: str
    token: str
    ca: Path | None = None
    trusted: bool = False
    local: bool = False


class _Resolver(DefaultLoopResolver):
    """Works at the interpreter's end too, where sessions are ended and thread pools take no more work."""

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        try:
            return await super().resolve(host, port, family)
        except RuntimeError:
            found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
            return [(one_family, address) for one_family, _, _, _, address in found]


class _Pieces:
    """Hands on what comes of a body, until it is `over`; keeps that of a `refusal`."""

    def __init__(self, received: Callable[[bytes], None]) -> None:
        self._received = received
        self._refused = False
        self.refusal = b""
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.taken = 0
        self.over = False

    def head(self, line: str) -> None:
        if line.startswith("HTTP/"):
            self._refused = line.split()[1:2] != ["200"]

    def take(self, piece: bytes) -> None:
        if self._refused:
            self.refusal += piece
        elif not self.over:
            self.taken += 1
            if not self.begun.done():
                self.begun.set_result(None)
            self._received(piece)


class GatewayClient:
    """Belongs to the event loop on which it was made. It raises `FarcellError`, and nothing else."""

    def __init__(self, address: Address) -> None:
        if urlsplit(address.url).scheme not in ("http", "https"):
            raise BadRequest(f"{address.url!r} is no gateway's address: it begins with http:// or https://")
        self.address = address
        self._resolver = _Resolver()
        self._http = AsyncHTTPClient(
            force_instance=True, resolver=self._resolver, max_clients=100, max_body_size=MAX_BODY_BYTES
        )
        self._headers = {"Authorization": f"Bearer {address.token}"}
        self._ssl = _trusting(address.ca) if address.ca else None

    async def get_json(self, path: str) -> Any:
        return await self._fetch("GET", path, timeout_s=ANSWER_PINGS * PING_S)

    async def post_json(self, path: str, body: Any, *, repeatable: bool = False) -> Any:
        """What is `repeatable` is given up as soon as a question is, because it can be asked again."""
        timeout_s = ANSWER_PINGS * PING_S if repeatable else CHANGE_S
        return await self._fetch("POST", path, encode(body), timeout_s)

    async def put_file(self, path: str, file: IO[bytes]) -> None:
        """Sends a file from its beginning, piece by piece."""

        async def send(write: Callable[[bytes], Awaitable[None]]) -> None:
            file.seek(0)
            while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                await write(piece)

        length = file.seek(0, os.SEEK_END)
        request = self._request(
            self.address.url + path,
            method="PUT",
            body_producer=send,
            request_timeout=STREAM_S,
        )
        request.headers = {**self._headers, "Content-Length": str(length)}
        try:
            await self._http.fetch(request)
        except HTTPClientError as error:
            raise self._told(error) from error
        except OSError as error:
            raise self._unreachable(error) from error

    async def delete_json(self, path: str) -> Any:
        return await self._fetch("DELETE", path)

    async def _fetch(
        self, method: str, path: str, body: bytes | None = None, timeout_s: float = CHANGE_S
    ) -> Any:
        request = self._request(self.address.url + path, method=method, body=body, request_timeout=timeout_s)
        try:
            response = await self._http.fetch(request)
        except HTTPClientError as error:
            raise self._told(error) from error
        except OSError as error:
            raise self._unreachable(error) from error
        return decode(response.body) if response.body else None

    async def stream(
        self, path: str, received: Callable[[bytes], None], quiet_s: float | None = None
    ) -> None:
        """Reads a body piece by piece until the gateway ends it; one that pauses for `quiet_s` counts as broken."""
        pieces = _Pieces(received)
        fetching = asyncio.ensure_future(
            self._http.fetch(
                self._request(
                    self.address.url + path,
                    streaming_callback=pieces.take,
                    header_callback=pieces.head,
                    request_timeout=STREAM_S,
                )
            )
        )
        try:
            await self._until_quiet(fetching, pieces, quiet_s or QUIET_PINGS * PING_S)
            await fetching
        except HTTPClientError as error:
            raise self._told(error, pieces.refusal) from error
        except OSError as error:
            raise self._unreachable(error) from error
        finally:
            pieces.over = True
            fetching.add_done_callback(_forget)  # nothing can end it but its connection's end

    async def _until_quiet(
        self, fetching: asyncio.Future[HTTPResponse], pieces: _Pieces, quiet_s: float
    ) -> None:
        """Returns when the body is at its end; raises `TimeoutError` when nothing of it comes."""
        begin_s = max(quiet_s, ANSWER_PINGS * PING_S)
        begins: set[asyncio.Future[Any]] = {fetching, pieces.begun}
        if not (await asyncio.wait(begins, timeout=begin_s, return_when=asyncio.FIRST_COMPLETED))[0]:
            raise TimeoutError(f"nothing came for {begin_s:g} s")
        seen = 0
        while not fetching.done():
            if seen == pieces.taken:
                raise TimeoutError(f"nothing came for {quiet_s:g} s")
            seen = pieces.taken
            await asyncio.wait({fetching}, timeout=quiet_s)

    async def websocket(self, path: str, subprotocol: str) -> WebSocketClientConnection:
        """A WebSocket on which the gateway speaks `subprotocol`, without Nagle's delay."""
        request = self._request(
            "ws" + self.address.url.removeprefix("http") + path, request_timeout=ANSWER_PINGS * PING_S
        )
        try:
            connection = await websocket_connect(
                request,
                subprotocols=[subprotocol],
                max_message_size=MAX_MESSAGE_BYTES,
                ping_interval=PING_S,
                resolver=self._resolver,
            )
        except HTTPClientError as error:
            raise self._told(error) from error
        except (OSError, WebSocketError) as error:
            raise self._unreachable(error) from error
        if connection.selected_subprotocol != subprotocol:
            connection.close()
            raise IncompatibleVersion(
                f"the gateway {self.address.url} does not speak {subprotocol}: update it, or this Farcell"
            )
        connection.protocol.set_nodelay(True)  # type: ignore[union-attr]
        # tornado's own bound, 100 MB, would break the connection at every larger message
        connection.protocol.stream.max_buffer_size = 2 * MAX_MESSAGE_BYTES  # type: ignore[union-attr]
        return connection

    def _request(self, url: str, **arguments: Any) -> HTTPRequest:
        return HTTPRequest(
            url,
            headers=self._headers,
            ssl_options=self._ssl,
            connect_timeout=10,
            allow_nonstandard_methods=True,
            **arguments,
        )

    def _told(self, error: HTTPClientError, body: bytes = b"") -> FarcellError:
        """What the gateway said; 599 is tornado's own word for no answer. `body` is that of a stream."""
        if error.response is None or error.code == 599:
            return self._unreachable(error)
        try:
            value = decode(body or error.response.body)
        except BadRequest:
            value = None
        if not isinstance(value, dict):
            return GatewayUnreachable(
                f"{self.address.url} answered {error.code}, and not as a Farcell gateway does"
            )
        return error_from_json(value, error.code)

    def _unreachable(self, error: BaseException) -> FarcellError:
        return GatewayUnreachable(f"the gateway {self.address.url} does not answer: {error}")

    def close(self) -> None:
        self._http.close()


def _forget(done: asyncio.Future[HTTPResponse]) -> None:
    if not done.cancelled():
        done.exception()


def _trusting(ca: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca)
    except OSError as error:
        raise GatewayUnreachable(f"the certificates in {ca} can't be used: {error}") from error
    return context
