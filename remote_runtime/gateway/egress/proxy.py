"""One client's connection to the proxy: requests one after the other, or one tunnel."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass

import h11

from ...api import Network
from ...piping import Connection, Idle, pipe
from .dialer import Dialer
from .egress_log import EgressLog
from .forwarding import plain_target, tunnel_target
from .http_stream import HttpStream
from .plain_http import forward
from .policy import Target
from .refusal import Refusal

_log = logging.getLogger(__name__)

HEAD_S = 60.0
"""From a connection's begin, or the end of the request before, to a whole head of a request."""
IDLE_S = 3600.0
"""A tunnel or a request where nothing moves for so long is closed."""
LINGER_S = 2.0
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass(slots=True)
class _Visit:
    """What the log tells of a request: counts of the client's connection when it began, and how it went."""

    received: int
    sent: int
    target: Target | None = None
    decision: str = "allowed"


class ProxiedClient:
    """Whoever connects to a lease's proxy."""

    def __init__(
        self,
        connection: Connection,
        network: Network,
        dialer: Dialer,
        log: EgressLog,
        idle_s: float = IDLE_S,
    ) -> None:
        self._connection = connection
        self._network = network
        self._dialer = dialer
        self._log = log
        self._idle_s = idle_s
        self._stream = HttpStream(h11.SERVER, connection)

    async def attend(self) -> None:
        """Serves it; returns when the connection is closed, also where its client has broken it."""
        with contextlib.suppress(OSError, h11.ProtocolError):
            async with self._connection:
                while await self._serve_one():
                    pass

    async def turn_away(self, refusal: Refusal) -> None:
        """Answers whatever it wants to ask, and closes."""
        with contextlib.suppress(OSError, h11.ProtocolError):
            async with self._connection:
                await self._answer(refusal)

    async def _serve_one(self) -> bool:
        """Whether another request may follow."""
        visit = _Visit(self._connection.received, self._connection.sent)
        try:
            request = await self._next_request()
            if request is None:
                return False
            return await self._serve(request, visit)
        except Refusal as refusal:
            visit.decision = f"{refusal.decision}: {refusal.sentence}"
            await self._answer(refusal)
            return False
        except Idle:
            visit.decision = f"closed, since nothing moved for {self._idle_s:g} s"
            self._connection.abort()
            return False
        except (OSError, h11.ProtocolError):
            visit.decision = "broken off"
            raise
        finally:
            self._tell(visit)

    async def _next_request(self) -> h11.Request | None:
        """None where no more will come."""
        try:
            async with asyncio.timeout(HEAD_S):
                event = await self._stream.receive()
        except TimeoutError:
            return None
        except h11.RemoteProtocolError as error:
            raise Refusal(error.error_status_hint, f"the request can't be read: {error}") from error
        return event if isinstance(event, h11.Request) else None

    async def _serve(self, request: h11.Request, visit: _Visit) -> bool:
        if request.method == b"CONNECT":
            visit.target = tunnel_target(request.target)
            if any(name in (b"content-length", b"transfer-encoding") for name, _ in request.headers):
                raise Refusal(400, "CONNECT takes no body")
            await self._tunnel(visit.target)
            return False
        visit.target, path = plain_target(request.target)
        way = await self._dialer.open(visit.target, self._network, tunnel=False)
        async with way.connection:
            await forward(self._stream, request, visit.target, path, way, self._idle_s)
        http = self._stream.http
        if http.our_state is h11.DONE and http.their_state is h11.DONE:
            http.start_next_cycle()
            return True
        await self._linger()
        return False

    async def _tunnel(self, target: Target) -> None:
        await self._stream.receive()  # the end of the request, which has no body
        way = await self._dialer.open(target, self._network, tunnel=True)
        async with way.connection:
            said_already, _ = self._stream.http.trailing_data
            await self._connection.send(ESTABLISHED + way.early)
            await way.connection.send(said_already)
            await pipe(self._connection, way.connection, self._idle_s)

    async def _answer(self, refusal: Refusal) -> None:
        """The sentence is also the reason phrase: of a refused tunnel, that is all that most clients show."""
        http = self._stream.http
        if http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            raise h11.LocalProtocolError("an answer has begun already")
        body = f"farcell: {refusal.sentence}\n".encode()
        headers = [
            ("content-type", "text/plain; charset=utf-8"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        reason = refusal.sentence.encode("ascii", "replace")
        await self._stream.send(h11.Response(status_code=refusal.status, reason=reason, headers=headers))
        with contextlib.suppress(h11.LocalProtocolError):  # who asked by HEAD gets no body
            await self._stream.send(h11.Data(data=body))
        await self._stream.send(h11.EndOfMessage())
        await self._linger()

    async def _linger(self) -> None:
        """What was said is lost to a client that still speaks when its connection is closed."""
        self._connection.send_end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while await self._connection.receive():
                    pass

    def _tell(self, visit: _Visit) -> None:
        out, back = self._connection.received - visit.received, self._connection.sent - visit.sent
        if out or back:
            self._log.write(visit.target, visit.decision, out, back)
