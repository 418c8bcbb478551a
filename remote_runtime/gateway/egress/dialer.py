"""From a target to a connection: its name is resolved once, every address is checked, and a checked one is dialled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import h11

from ...api import Network
from ...piping import READ_AHEAD_BYTES, Connection
from .addresses import Address
from .http_stream import HttpStream
from .policy import EgressRules, Target, why_not_asked, why_not_there
from .refusal import Refusal, Unreachable
from .resolver import Resolve
from .upstream import Upstream

RESOLVE_S = 10.0
CONNECT_S = 10.0
"""For each address; a host that has several is tried at all of them."""
OPENING_S = 30.0
"""For all of it."""


@dataclass(frozen=True, slots=True)
class Way:
    """A connection to a target; or to the `upstream` proxy, which is still to be asked for it.

    `early` are bytes of the target's that have come already.
    """

    connection: Connection
    upstream: Upstream | None = None
    early: bytes = b""


class Dialer:
    """`own` says the gateway machine's addresses. With an `upstream`, what is not private is reached through that."""

    def __init__(
        self,
        rules: EgressRules,
        resolve: Resolve,
        own: Callable[[], Collection[Address]],
        upstream: Upstream | None = None,
    ) -> None:
        self._rules = rules
        self._resolve = resolve
        self._own = own
        self._upstream = upstream

    async def open(self, target: Target, network: Network, *, tunnel: bool) -> Way:
        """Raises `Refusal` for what may not be reached, `Unreachable` for what can't.

        A `tunnel` leads to the target itself, also behind an upstream proxy.
        """
        if why := why_not_asked(target, network, self._rules):
            raise Refusal(403, f"{target.host} is refused: {why}")
        try:
            async with asyncio.timeout(OPENING_S):
                return await self._open(target, tunnel=tunnel)
        except TimeoutError as error:
            raise Unreachable(504, f"{target} did not answer in {OPENING_S:g} s") from error

    async def _open(self, target: Target, *, tunnel: bool) -> Way:
        addresses = await self._addresses(target)
        if why := why_not_there(target, addresses, self._rules, self._own()):
            raise Refusal(403, f"{target.host} is refused: {why}")
        if self._upstream is not None and not self._is_private(target, addresses):
            at = Target(self._upstream.host, self._upstream.port)
            way = Way(await _connect(at, [self._upstream.host]), self._upstream)
            return await _through(way.connection, self._upstream, target) if tunnel else way
        return Way(await _connect(target, [str(address) for address in addresses]))

    async def _addresses(self, target: Target) -> Sequence[Address]:
        """Empty where only the upstream proxy may know the name."""
        if target.address is not None:
            return [target.address]
        try:
            async with asyncio.timeout(RESOLVE_S):
                addresses = await self._resolve(target.host)
        except (OSError, UnicodeError) as error:  # a TimeoutError is an OSError, too
            if self._upstream is not None:
                return []
            why = getattr(error, "strerror", None) or "the name is not answered for"
            raise Unreachable(502, f"{target.host} can't be found: {why}") from error
        if not addresses and self._upstream is None:
            raise Unreachable(502, f"{target.host} can't be found: it has no address")
        return addresses

    def _is_private(self, target: Target, addresses: Sequence[Address]) -> bool:
        return bool(addresses) and all(self._rules.private.has(target.host, one) for one in addresses)


async def _connect(target: Target, hosts: Sequence[str]) -> Connection:
    """To the first of `hosts` that answers; they are addresses, so that nothing is resolved again."""
    why = "it does not answer"
    for host in hosts:
        try:
            async with asyncio.timeout(CONNECT_S):
                return Connection(*await asyncio.open_connection(host, target.port, limit=READ_AHEAD_BYTES))
        except OSError as error:
            why = error.strerror or why
    raise Unreachable(502, f"{target} can't be reached: {why}")


async def _through(connection: Connection, upstream: Upstream, target: Target) -> Way:
    """Asks the upstream proxy for a tunnel. A connection that is of no use is broken."""
    stream = HttpStream(h11.CLIENT, connection)
    try:
        answer = await _ask_for_tunnel(stream, upstream, target)
    except (OSError, h11.ProtocolError) as error:
        connection.abort()
        raise Unreachable(
            502, f"{target} can't be reached: the gateway's upstream proxy broke off"
        ) from error
    except BaseException:
        connection.abort()
        raise
    if 200 <= answer.status_code < 300:
        return Way(connection, early=stream.http.trailing_data[0])
    connection.abort()
    said = f"{answer.status_code} {answer.reason.decode('ascii', 'replace')}"
    raise Unreachable(502, f"{target} can't be reached: the gateway's upstream proxy says {said}")


async def _ask_for_tunnel(stream: HttpStream, upstream: Upstream, target: Target) -> h11.Response:
    name = str(target).encode()
    headers = [(b"host", name), *upstream.headers]
    await stream.send(h11.Request(method=b"CONNECT", target=name, headers=headers))
    await stream.send(h11.EndOfMessage())
    while isinstance(answer := await stream.receive(), h11.InformationalResponse):
        pass
    if not isinstance(answer, h11.Response):
        raise h11.RemoteProtocolError("the proxy closed the connection")
    return answer
