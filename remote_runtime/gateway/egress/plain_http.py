"""One request in plain HTTP and its response, both streamed."""

from __future__ import annotations

import asyncio

import h11

from ...piping import not_idle
from .dialer import Way
from .forwarding import end_to_end, request_headers
from .http_stream import HttpStream, nothing_waits
from .policy import Target
from .refusal import Unreachable


async def forward(
    client: HttpStream, request: h11.Request, target: Target, path: bytes, way: Way, idle_s: float
) -> None:
    """Returns when the response is through. Raises `Unreachable` as long as nothing of one has been passed on.

    A response may come, and end, before the request has.
    """
    origin = HttpStream(h11.CLIENT, way.connection)
    async with not_idle(idle_s) as moved:
        client.moved = origin.moved = moved
        sending = asyncio.create_task(_send_request(client, origin, _for_origin(request, target, path, way)))
        try:
            await _pass_response(origin, client)
        except (OSError, h11.ProtocolError) as error:
            if client.http.our_state is not h11.SEND_RESPONSE:
                raise
            raise Unreachable(502, f"{target} broke off, or what it says is no HTTP/1.1") from error
        finally:
            client.moved = nothing_waits
            sending.cancel()
            await asyncio.wait([sending])
    if not sending.cancelled():
        sending.result()


def _for_origin(request: h11.Request, target: Target, path: bytes, way: Way) -> h11.Request:
    headers = request_headers(request.headers, target)
    if way.upstream is not None:
        headers += way.upstream.headers
        path = b"http://" + str(target).encode() + path
    return h11.Request(method=request.method, target=path, headers=headers)


async def _send_request(client: HttpStream, origin: HttpStream, request: h11.Request) -> None:
    """Its head and its body. A client that breaks off breaks the origin's connection, too."""
    if not await _sent(origin, request):
        return
    while True:
        try:
            event = await client.receive()
        except (OSError, h11.ProtocolError):
            origin.connection.abort()
            return
        if isinstance(event, h11.EndOfMessage):
            await _sent(origin, h11.EndOfMessage())
            return
        if not isinstance(event, h11.Data) or not await _sent(origin, event):
            return


async def _sent(origin: HttpStream, event: h11.Event) -> bool:
    """An origin that takes no more may still have said something."""
    try:
        await origin.send(event)
    except (OSError, h11.LocalProtocolError):
        return False
    return True


async def _pass_response(origin: HttpStream, client: HttpStream) -> None:
    while True:
        event = await origin.receive()
        if isinstance(event, h11.InformationalResponse):
            if event.status_code != 101 and client.http.their_http_version != b"1.0":
                headers = end_to_end(event.headers)
                await client.send(h11.InformationalResponse(status_code=event.status_code, headers=headers))
        elif isinstance(event, h11.Response):
            headers = end_to_end(event.headers)
            await client.send(
                h11.Response(status_code=event.status_code, reason=event.reason, headers=headers)
            )
        elif isinstance(event, h11.Data):
            await client.send(event)
        elif isinstance(event, h11.EndOfMessage):
            await client.send(h11.EndOfMessage())
            return
        else:
            raise h11.RemoteProtocolError(f"unexpected: {event!r}")
