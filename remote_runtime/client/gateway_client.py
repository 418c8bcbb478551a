"""A gateway as its clients see it: JSON over HTTP, and WebSockets, with the token in the header."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.netutil import DefaultLoopResolver
from tornado.websocket import WebSocketClientConnection, websocket_connect

from ..api.json_form import decode, encode
from ..errors import BadRequest, FarcellError, GatewayUnreachable, error_from_json

MAX_MESSAGE_BYTES = 1 << 30
"""The largest kernel message that a client takes from its gateway."""


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


class GatewayClient:
    """Belongs to the event loop on which it was made. It raises `FarcellError`, and nothing else."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._resolver = _Resolver()
        self._http = AsyncHTTPClient(force_instance=True, resolver=self._resolver)
        self._headers = {"Authorization": f"Bearer {address.token}"}
        self._ssl = _trusting(address.ca) if address.ca else None

    async def get_json(self, path: str) -> Any:
        return await self._fetch("GET", path)

    async def post_json(self, path: str, body: Any) -> Any:
        return await self._fetch("POST", path, encode(body))

    async def delete_json(self, path: str) -> Any:
        return await self._fetch("DELETE", path)

    async def _fetch(self, method: str, path: str, body: bytes | None = None) -> Any:
        try:
            response = await self._http.fetch(
                self._request(self.address.url + path, method=method, body=body)
            )
        except HTTPClientError as error:
            raise self._told(error) from error
        except OSError as error:
            raise self._unreachable(error) from error
        return decode(response.body) if response.body else None

    async def stream(self, path: str, received: Callable[[bytes], None]) -> None:
        """Reads a body that has no end, piece by piece, until the gateway closes it."""
        request = self._request(self.address.url + path, streaming_callback=received)
        request.request_timeout = 0
        try:
            await self._http.fetch(request)
        except HTTPClientError as error:
            raise self._told(error) from error
        except OSError as error:
            raise self._unreachable(error) from error

    async def websocket(self, path: str, subprotocol: str) -> WebSocketClientConnection:
        """A WebSocket on which the gateway speaks `subprotocol`, without Nagle's delay."""
        request = self._request("ws" + self.address.url.removeprefix("http") + path)
        try:
            connection = await websocket_connect(
                request,
                subprotocols=[subprotocol],
                max_message_size=MAX_MESSAGE_BYTES,
                ping_interval=20,
                resolver=self._resolver,
            )
        except HTTPClientError as error:
            raise self._told(error) from error
        except OSError as error:
            raise self._unreachable(error) from error
        connection.protocol.set_nodelay(True)  # type: ignore[union-attr]
        return connection

    def _request(self, url: str, **arguments: Any) -> HTTPRequest:
        return HTTPRequest(
            url,
            headers=self._headers,
            ssl_options=self._ssl,
            connect_timeout=10,
            request_timeout=150,
            allow_nonstandard_methods=True,
            **arguments,
        )

    def _told(self, error: HTTPClientError) -> FarcellError:
        """What the gateway said; 599 is tornado's own word for no answer."""
        if error.response is None or error.code == 599:
            return self._unreachable(error)
        try:
            value = decode(error.response.body)
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


def _trusting(ca: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca)
    except OSError as error:
        raise GatewayUnreachable(f"the certificates in {ca} can't be used: {error}") from error
    return context
