"""Asking a gateway over real sockets: whatever comes back, its caller gets an answer or a `FarcellError`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from farcell.remote_runtime.client.gateway_client import Address, GatewayClient
from farcell.remote_runtime.errors import (
    BadRequest,
    FarcellError,
    GatewayUnreachable,
    IncompatibleVersion,
    NoSuchOffer,
)


class Echo(RequestHandler):
    async def prepare(self) -> None:
        self.write(
            {
                "method": self.request.method,
                "token": self.request.headers["Authorization"],
                "body": self.request.body.decode(),
            }
        )
        self.finish()


class Empty(RequestHandler):
    def delete(self) -> None:
        self.set_status(204)


class Told(RequestHandler):
    def get(self) -> None:
        self.set_status(409)
        self.write({"code": "no-such-offer", "message": "no T9 here", "details": {"offers": ["T4"]}})


class Proxy(RequestHandler):
    """Something between, which is no gateway."""

    def get(self, status: str) -> None:
        self.set_status(int(status))
        self.write("<html>hello</html>")


class Pieces(RequestHandler):
    async def get(self) -> None:
        for _ in range(3):
            self.write(b"piece ")
            await self.flush()


class Breaks(RequestHandler):
    async def get(self) -> None:
        self.write(b"half")
        await self.flush()
        await self.settings["heard"].wait()
        self.request.connection.stream.close()  # type: ignore[union-attr]


class Pauses(RequestHandler):
    async def get(self) -> None:
        self.write(b"half")
        await self.flush()
        self.gone = asyncio.Event()
        await self.gone.wait()

    def on_connection_close(self) -> None:
        self.gone.set()


class Socket(WebSocketHandler):
    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return "spoken" if "spoken" in subprotocols else None

    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message)


ROUTES = [
    ("/echo", Echo),
    ("/empty", Empty),
    ("/told", Told),
    ("/proxy/(.*)", Proxy),
    ("/pieces", Pieces),
    ("/breaks", Breaks),
    ("/pauses", Pauses),
    ("/socket", Socket),
]


@pytest.fixture
async def heard() -> asyncio.Event:
    """The client has the first piece of a body that breaks off."""
    return asyncio.Event()


@pytest.fixture
async def url(heard: asyncio.Event) -> AsyncIterator[str]:
    server = HTTPServer(Application(ROUTES, heard=heard))
    (listening,) = bind_sockets(0, "127.0.0.1")
    server.add_socket(listening)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.stop()
    await server.close_all_connections()


@pytest.fixture
async def client(url: str) -> AsyncIterator[GatewayClient]:
    made = GatewayClient(Address(url, "secret"))
    yield made
    made.close()


async def test_the_token_is_in_the_header_and_nowhere_else(client):
    assert await client.get_json("/echo") == {"method": "GET", "token": "Bearer secret", "body": ""}
    posted = await client.post_json("/echo", {"a": 1})
    assert (posted["method"], posted["body"]) == ("POST", '{"a":1}')


async def test_an_answer_without_a_body_is_none(client):
    assert await client.delete_json("/empty") is None


async def test_an_error_is_the_gateways_own_with_its_details(client):
    with pytest.raises(NoSuchOffer, match="no T9 here") as raised:
        await client.get_json("/told")
    assert raised.value.details == {"offers": ["T4"]}


@pytest.mark.parametrize("status", [400, 404, 502])
async def test_an_error_that_no_gateway_has_sent_says_so(client, status):
    with pytest.raises(GatewayUnreachable, match=f"answered {status}, and not as a Farcell gateway does"):
        await client.get_json(f"/proxy/{status}")


async def test_an_answer_that_is_no_json_is_refused(client):
    with pytest.raises(BadRequest, match="malformed JSON"):
        await client.get_json("/proxy/200")


async def test_a_body_comes_piece_by_piece(client):
    pieces: list[bytes] = []
    await client.stream("/pieces", pieces.append)
    assert b"".join(pieces) == b"piece piece piece "


async def test_a_stream_that_is_refused_raises_the_gateways_error(client):
    with pytest.raises(NoSuchOffer):
        await client.stream("/told", lambda _: None)


async def test_a_stream_that_breaks_off_has_handed_on_what_came(client, heard):
    pieces: list[bytes] = []

    def received(piece: bytes) -> None:
        pieces.append(piece)
        heard.set()

    with pytest.raises(GatewayUnreachable):
        await client.stream("/breaks", received)
    assert pieces == [b"half"]


async def test_a_stream_that_pauses_for_too_long_counts_as_broken(client):
    with pytest.raises(GatewayUnreachable, match=r"nothing came for 0\.05 s"):
        await client.stream("/pauses", lambda _: None, quiet_s=0.05)


async def test_a_websocket_speaks_what_was_asked_for(client):
    connection = await client.websocket("/socket", "spoken")
    await connection.write_message("hello")
    assert await connection.read_message() == "hello"
    connection.close()
    assert await connection.read_message() is None


async def test_a_websocket_that_speaks_something_else_is_of_another_version(client):
    with pytest.raises(IncompatibleVersion, match="does not speak unspoken"):
        await client.websocket("/socket", "unspoken")


@pytest.mark.parametrize(
    ("path", "error"),
    [("/told", NoSuchOffer), ("/echo", GatewayUnreachable), ("/proxy/502", GatewayUnreachable)],
)
async def test_a_websocket_that_is_refused_raises(client, path, error):
    with pytest.raises(error):
        await client.websocket(path, "spoken")


async def call(client: GatewayClient, how: str) -> None:
    match how:
        case "get":
            await client.get_json("/x")
        case "stream":
            await client.stream("/x", lambda _: None)
        case "websocket":
            await client.websocket("/x", "spoken")


@pytest.mark.parametrize("how", ["get", "stream", "websocket"])
async def test_nobody_there_is_unreachable(how):
    (listening,) = bind_sockets(0, "127.0.0.1")
    port = listening.getsockname()[1]
    listening.close()
    client = GatewayClient(Address(f"http://127.0.0.1:{port}", "secret"))
    with pytest.raises(GatewayUnreachable, match="does not answer"):
        await call(client, how)
    client.close()


@pytest.mark.parametrize("how", ["get", "stream", "websocket"])
@pytest.mark.parametrize(
    "greeting", [b"", b"SSH-2.0-server\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
)
async def test_what_is_no_gateway_is_a_farcell_error(how, greeting):
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(greeting)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    client = GatewayClient(Address(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "secret"))
    with pytest.raises(FarcellError):
        await call(client, how)
    client.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("url", ["ftp://gateway", "gateway", ""])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(BadRequest, match="no gateway's address"):
        GatewayClient(Address(url, "secret"))


def test_certificates_that_are_not_there_are_named(tmp_path):
    with pytest.raises(GatewayUnreachable, match=r"missing\.pem can't be used"):
        GatewayClient(Address("https://gateway", "secret", ca=tmp_path / "missing.pem"))
