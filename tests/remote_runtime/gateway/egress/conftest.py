"""A lease's proxy on a unix socket, hosts that answer on loopback, and a client that speaks byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
from patience import DEADLINE_S

from farcell.remote_runtime.api import LeaseId, Network
from farcell.remote_runtime.gateway.egress import lease_proxy
from farcell.remote_runtime.gateway.egress.addresses import Address
from farcell.remote_runtime.gateway.egress.dialer import Dialer
from farcell.remote_runtime.gateway.egress.egress_log import EgressLog
from farcell.remote_runtime.gateway.egress.lease_proxy import LeaseProxy
from farcell.remote_runtime.gateway.egress.policy import EgressRules, PrivatePlaces
from farcell.remote_runtime.gateway.egress.upstream import Upstream

LOOPBACK = PrivatePlaces.parse(["127.0.0.0/8"])
"""What the tests' hosts need; what is refused is tested without."""
Host = Callable[["Peer"], Awaitable[None]]


@dataclass
class Peer:
    """One end of a connection, as a test speaks."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self, count: int) -> bytes:
        async with asyncio.timeout(DEADLINE_S):
            return await self.reader.readexactly(count)

    async def head(self) -> str:
        """Of a request or a response, to its empty line."""
        async with asyncio.timeout(DEADLINE_S):
            return (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")

    async def rest(self) -> bytes:
        """All, to the end."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.reader.read()

    def end(self) -> None:
        self.writer.write_eof()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@dataclass
class World:
    """Names lead where the test says; each look-up is counted."""

    folder: Path
    names: dict[str, Sequence[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host: str) -> list[Address]:
        self.asked.append(host)
        if host not in self.names:
            raise OSError(-2, "Name or service not known")
        return [ip_address(address) for address in self.names[host]]

    @property
    def socket(self) -> Path:
        return self.folder / "egress" / "proxy.sock"

    @property
    def log(self) -> str:
        return (self.folder / "egress.log").read_text()

    async def client(self) -> Peer:
        return Peer(*await asyncio.open_unix_connection(str(self.socket), limit=1 << 20))

    async def ask(self, head: str, body: bytes = b"") -> tuple[str, bytes]:
        """One request whose answer ends with the connection: the head of the answer, and its body."""
        peer = await self.client()
        try:
            await peer.say(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
            return await peer.head(), await peer.rest()
        finally:
            await peer.close()

    @asynccontextmanager
    async def proxy(
        self,
        network: str = "egress",
        *,
        ports: Sequence[int] = (),
        private: PrivatePlaces = LOOPBACK,
        upstream: Upstream | None = None,
        resolve: Callable[[str], Awaitable[Sequence[Address]]] | None = None,
    ) -> AsyncIterator[LeaseProxy]:
        dialer = Dialer(EgressRules(frozenset(ports), private), resolve or self.resolve, set, upstream)
        log = EgressLog(LeaseId("lease-1"), self.folder / "egress.log")
        proxy = LeaseProxy(LeaseId("lease-1"), Network.parse(network), dialer, log)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(proxy.serve(lease_proxy.bind(self.socket)))
            try:
                yield proxy
            finally:
                await proxy.end()

    @asynccontextmanager
    async def tunnel(self, target: str) -> AsyncIterator[Peer]:
        peer = await self.client()
        try:
            await peer.say(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            assert (await peer.head()).startswith("HTTP/1.1 200 ")
            yield peer
        finally:
            await peer.close()


@pytest.fixture
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="far-") as folder:
        yield World(Path(folder))


@asynccontextmanager
async def served(host: Host) -> AsyncIterator[int]:
    """A server on loopback for which `host` speaks; its port."""
    failures: list[BaseException] = []
    async with asyncio.TaskGroup() as tasks:

        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = Peer(reader, writer)
            try:
                await host(peer)
            except (OSError, asyncio.IncompleteReadError):
                pass
            except Exception as error:  # noqa: BLE001 - told to the test below
                failures.append(error)
            finally:
                await peer.close()

        server = await asyncio.start_server(
            lambda reader, writer: running.add(tasks.create_task(speak(reader, writer))),  # type: ignore[func-returns-value]
            "127.0.0.1",
            0,
            limit=1 << 20,
        )
        running: set[asyncio.Task[None]] = set()
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in running:
                task.cancel()
    assert not failures, failures


async def echo(peer: Peer) -> None:
    while data := await peer.reader.read(1 << 16):
        await peer.say(data)


def answering(answer: bytes, *, heads: list[str] | None = None) -> Host:
    """Hears one head of a request, and says that."""

    async def host(peer: Peer) -> None:
        head = await peer.head()
        if heads is not None:
            heads.append(head)
        await peer.say(answer)

    return host
