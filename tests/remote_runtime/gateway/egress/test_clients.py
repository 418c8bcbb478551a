"""Programs as people use them, through the forwarder and the proxy; and what no program would say."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from patience import DEADLINE_S, until

from farcell.remote_runtime.agent.forwarder import forwarding

from .conftest import Peer, World, answering, served

URLLIB = """
import sys, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=60).read().decode())
except Exception as error:
    print(error)
"""
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
WORDS = [
    *(
        b"GET ",
        b"CONNECT ",
        b"POST ",
        b"http://a.org/",
        b"a.org:443",
        b" HTTP/1.1",
        b" HTTP/1.0",
        b"\r\n",
        b"\n",
    ),
    *(
        b"Host: a.org",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Transfer-Encoding: chunked",
        b"5\r\nhello\r\n",
    ),
    *(
        b"Connection: close",
        b"Connection: content-length",
        b"\0",
        b"\xff\xfe",
        b": ",
        b"http://[::1",
        b"//",
        b"%",
    ),
]


@asynccontextmanager
async def way_out(world: World, network: str, port: int) -> AsyncIterator[dict[str, str]]:
    """The environment of a program that is to go through both."""
    world.names["a.org"] = ["127.0.0.1"]
    async with world.proxy(network, ports=[port]), forwarding(world.socket, 0) as forwarded:
        url = f"http://127.0.0.1:{forwarded}"
        yield {"http_proxy": url, "https_proxy": url, "no_proxy": "", "PATH": "/usr/bin:/bin"}


async def said_by(command: list[str], environment: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(DEADLINE_S):
        out, _ = await process.communicate()
    return out.decode().strip()


async def test_urllib_gets_a_page_and_is_told_why_it_gets_another_not(world):
    async with served(answering(PAGE)) as port, way_out(world, "a.org", port) as environment:
        program = [sys.executable, "-c", URLLIB]
        assert await said_by([*program, f"http://a.org:{port}/"], environment) == "hello"
        told = "evil.org is refused: it is not among this session's hosts (a.org): --network takes more"
        assert await said_by([*program, f"http://evil.org:{port}/"], environment) == f"HTTP Error 403: {told}"
        refused = f"<urlopen error Tunnel connection failed: 403 {told}>"
        assert await said_by([*program, f"https://evil.org:{port}/"], environment) == refused


async def test_curl_gets_a_page_and_is_told_why_it_gets_another_not(world, require: Callable[..., str]):
    curl = [require("curl", "a client as people use them"), "-sS"]
    async with served(answering(PAGE)) as port, way_out(world, "a.org", port) as environment:
        assert await said_by([*curl, f"http://a.org:{port}/"], environment) == "hello"
        assert await said_by([*curl, "--proxytunnel", f"http://a.org:{port}/"], environment) == "hello"
        assert "farcell: evil.org is refused" in await said_by([*curl, "http://evil.org/"], environment)
        told = await said_by([*curl, "-v", "https://evil.org/"], environment)
        assert "403 evil.org is refused: it is not among this session's hosts" in told


async def test_pip_says_why_a_host_is_not_reached(world):
    pip = [sys.executable, "-m", "pip", "--isolated", "--retries", "1", "download", "x"]
    async with way_out(world, "a.org", 443) as environment:
        environment |= {"PIP_CONFIG_FILE": "/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        told = await said_by([*pip, "--index-url", "https://evil.org/simple"], environment)
    assert (
        "403 evil.org is refused: it is not among this session's hosts (a.org): --network takes more" in told
    )


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_is_said_the_proxy_goes_on(world, seed, caplog):
    """It closes, or answers with a status; nothing fails inside, and the next client is served."""
    random_bytes = random.Random(seed)
    async with served(answering(PAGE)) as port, world.proxy("a.org", ports=[port]) as proxy:
        world.names["a.org"] = ["127.0.0.1"]
        for _ in range(20):
            peer = await world.client()
            await mumble(peer, random_bytes)
            answer = await heard(peer)
            assert not answer or answer.startswith(b"HTTP/1.1 "), answer
            await peer.close()
        _, body = await world.ask(f"GET http://a.org:{port}/ HTTP/1.1\nHost: a\nConnection: close")
        assert body == b"hello"
        await until(lambda: proxy.connections == 0)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def mumble(peer: Peer, random_bytes: random.Random) -> None:
    words = random_bytes.choices(WORDS, k=random_bytes.randrange(1, 30))
    try:
        for word in words:
            await peer.say(word)
        peer.end()
    except OSError:
        pass


async def heard(peer: Peer) -> bytes:
    try:
        return await peer.rest()
    except OSError:
        return b""
