"""From a loopback port to the proxy's socket, and what is said when nobody is there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from patience import DEADLINE_S, until

from farcell.remote_runtime.agent import forwarder
from farcell.remote_runtime.agent.forwarder import forwarding


@pytest.fixture
def socket() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="far-") as folder:
        yield Path(folder) / "proxy.sock"


@asynccontextmanager
async def echoing(socket: Path) -> AsyncIterator[None]:
    """In the proxy's place: says what it hears, and ends when its client does."""
    open_ones: set[asyncio.StreamWriter] = set()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()
        open_ones.discard(writer)

    server = await asyncio.start_unix_server(echo, str(socket))
    try:
        yield
        await until(lambda: not open_ones)
    finally:
        server.close()
        socket.unlink()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_bytes_and_ends_pass_both_ways(socket):
    data = os.urandom(1 << 20)
    async with echoing(socket), forwarding(socket, 0) as port, connected(port) as (reader, writer):
        heard = asyncio.ensure_future(reader.read(-1))
        writer.write(data)
        await writer.drain()
        writer.write_eof()
        assert await heard == data


async def test_a_proxy_that_comes_back_is_waited_for(socket):
    async with forwarding(socket, 0) as port, connected(port) as (reader, writer):
        writer.write(b"early")
        await writer.drain()
        async with echoing(socket):
            assert await reader.readexactly(5) == b"early"
            writer.close()


async def test_a_proxy_that_stays_away_is_told_of(socket, monkeypatch):
    monkeypatch.setattr(forwarder, "PATIENCE_S", 0.1)
    async with forwarding(socket, 0) as port, connected(port) as (reader, _):
        answer = (await reader.read(-1)).decode()
    assert answer.startswith("HTTP/1.1 502 the gateway's proxy does not answer\r\n")
    assert answer.endswith("is the gateway being restarted? Try again.\n")


async def test_a_port_that_is_taken_is_told(socket):
    async with forwarding(socket, 0) as port:
        with pytest.raises(OSError, match="in use"):
            async with forwarding(socket, port):
                pass


async def test_what_is_open_ends_with_it(socket):
    async with echoing(socket):
        async with forwarding(socket, 0) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


def test_as_a_program_it_listens_where_a_container_looks(socket):
    """On the port that a container has for itself: where something else has it here, the program says so and ends."""
    command = [sys.executable, "-m", forwarder.__name__, str(socket)]
    program = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        asyncio.run(_until_it_listens(program))
    finally:
        program.send_signal(signal.SIGINT)
        said = program.communicate(timeout=DEADLINE_S)[1]
    assert "KeyboardInterrupt" in said or "in use" in said


async def _until_it_listens(program: subprocess.Popen[str]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while program.poll() is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", forwarder.PORT)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                return
