"""The proxy as its clients see it, over real sockets: what passes, what is refused, and in which words."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from patience import until

from farcell.remote_runtime.gateway.egress import lease_proxy
from farcell.remote_runtime.gateway.egress import proxy as proxy_module
from farcell.remote_runtime.gateway.egress.policy import PrivatePlaces
from farcell.remote_runtime.gateway.egress.upstream import Upstream

from .conftest import LOOPBACK, Peer, World, answering, echo, served

NOWHERE = PrivatePlaces()
BIG = 8 << 20
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def get(url: str, *headers: str) -> str:
    return "\n".join([f"GET {url} HTTP/1.1", "Host: ignored.example", *headers])


# --- tunnels ---


async def test_a_tunnel_carries_bytes_both_ways(world):
    world.names["a.org"] = ["127.0.0.1"]
    async with served(echo) as port, world.proxy(ports=[port]), world.tunnel(f"a.org:{port}") as peer:
        await peer.say(b"hello")
        assert await peer.hear(5) == b"hello"
    assert world.asked == ["a.org"]


async def test_what_a_client_says_at_once_behind_its_connect_is_not_lost(world):
    async with served(echo) as port, world.proxy(ports=[port]):
        peer = await world.client()
        await peer.say(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: a\r\n\r\nearly".encode())
        await peer.head()
        assert await peer.hear(5) == b"early"
        await peer.close()


async def test_an_end_is_passed_on_and_the_other_direction_goes_on(world):
    async def host(peer: Peer) -> None:
        heard = await peer.rest()
        await peer.say(b"heard " + heard)

    async with served(host) as port, world.proxy(ports=[port]), world.tunnel(f"127.0.0.1:{port}") as peer:
        await peer.say(b"all")
        peer.end()
        assert await peer.rest() == b"heard all"


async def test_a_host_may_end_first(world):
    heard = asyncio.get_running_loop().create_future()

    async def host(peer: Peer) -> None:
        await peer.say(b"bye")
        peer.end()
        heard.set_result(await peer.rest())

    async with served(host) as port, world.proxy(ports=[port]), world.tunnel(f"127.0.0.1:{port}") as peer:
        assert await peer.rest() == b"bye"
        await peer.say(b"late")
        peer.end()
        assert await heard == b"late"


async def test_big_bodies_pass_whole_both_ways_at_once(world):
    data = bytes(range(256)) * (BIG // 256)
    async with served(echo) as port, world.proxy(ports=[port]), world.tunnel(f"127.0.0.1:{port}") as peer:
        async with asyncio.TaskGroup() as tasks:

            async def say() -> None:
                await peer.say(data)
                peer.end()

            tasks.create_task(say())
            heard = tasks.create_task(peer.rest())
        assert hashlib.sha256(heard.result()).digest() == hashlib.sha256(data).digest()


async def test_a_slow_reader_holds_the_host_back(world):
    """What is on its way is bounded by the buffers in between, not by what the host has to say."""
    said = 0

    async def host(peer: Peer) -> None:
        nonlocal said
        while True:
            await peer.say(bytes(1 << 16))
            said += 1 << 16

    async with served(host) as port, world.proxy(ports=[port]), world.tunnel(f"127.0.0.1:{port}") as peer:
        await peer.hear(1)
        before = -1
        while before != said:  # nothing more is taken
            before = said
            await asyncio.sleep(0.3)
        # the client's own reader 2 MiB, the kernel's buffers on both connections, and the proxy's 200 KiB
        assert said < 16 << 20
        heard, enough = 1, 2 * said
        while heard < enough:
            heard += len(await peer.reader.read(1 << 16))


async def test_a_client_that_goes_breaks_the_tunnel(world):
    gone = asyncio.Event()

    async def host(peer: Peer) -> None:
        try:
            while await peer.reader.read(1 << 16):
                pass
        finally:
            gone.set()

    async with served(host) as port, world.proxy(ports=[port]) as proxy:
        async with world.tunnel(f"127.0.0.1:{port}") as peer:
            await peer.say(b"x")
        await asyncio.wait_for(gone.wait(), 60)
        await until(lambda: proxy.connections == 0)


async def test_a_host_that_breaks_breaks_the_tunnel(world):
    async def host(peer: Peer) -> None:
        await peer.hear(1)
        peer.writer.transport.abort()

    async with served(host) as port, world.proxy(ports=[port]) as proxy:
        async with world.tunnel(f"127.0.0.1:{port}") as peer:
            await peer.say(b"x")
            assert await peer.rest() == b""
        await until(lambda: proxy.connections == 0)


async def test_a_tunnel_where_nothing_moves_is_closed(world, monkeypatch):
    monkeypatch.setattr(proxy_module.ProxiedClient.__init__, "__defaults__", (0.2,))
    async with served(echo) as port, world.proxy(ports=[port]), world.tunnel(f"127.0.0.1:{port}") as peer:
        assert await peer.rest() == b""
    assert "closed, since nothing moved for 0.2 s" in world.log


# --- plain HTTP ---


async def test_a_plain_request_goes_on_as_its_own(world):
    heads: list[str] = []
    async with served(answering(OK, heads=heads)) as port, world.proxy(ports=[port]):
        url = f"http://127.0.0.1:{port}/a/b?c=d#e"
        head, body = await world.ask(
            get(
                url,
                "Connection: x-mine, close",
                "X-Mine: 1",
                "Keep-Alive: 5",
                "Proxy-Authorization: secret",
                "Proxy-Connection: keep-alive",
                "TE: trailers",  # codespell:ignore te
                "Upgrade: h2c",
                "Accept: */*",
            )
        )
    assert (head.splitlines()[0], body) == ("HTTP/1.1 200 OK", b"hi")
    assert heads == [
        f"GET /a/b?c=d HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\naccept: */*\r\nconnection: close\r\n\r\n"
    ]


async def test_requests_follow_each_other_on_one_connection(world):
    async with served(answering(OK)) as port, world.proxy(ports=[port]):
        peer = await world.client()
        for _ in range(3):
            await peer.say(f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert "200 OK" in await peer.head()
            assert await peer.hear(2) == b"hi"
        await peer.close()
    assert world.log.count("allowed") == 3


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_goes_up_as_it_was_framed(world, chunked):
    data = bytes(range(256)) * 4096

    async def host(peer: Peer) -> None:
        head = await peer.head()
        if "transfer-encoding: chunked" in head:
            heard = b""
            while size := int(await peer.reader.readline(), 16):
                heard += await peer.hear(size)
                await peer.hear(2)
        else:
            heard = await peer.hear(int(head.partition("content-length: ")[2].splitlines()[0]))
        digest = hashlib.sha256(heard).hexdigest().encode()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + digest)

    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(data)}"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if chunked else data
    async with served(host) as port, world.proxy(ports=[port]):
        head = f"POST http://127.0.0.1:{port}/ HTTP/1.1\nHost: a\nConnection: close\n{framing}"
        _, answer = await world.ask(head, body)
    assert answer == hashlib.sha256(data).hexdigest().encode()


async def test_a_body_without_a_length_comes_down_so_that_its_end_is_known(world):
    async with served(answering(b"HTTP/1.0 200 OK\r\n\r\nall there is")) as port, world.proxy(ports=[port]):
        head, body = await world.ask(get(f"http://127.0.0.1:{port}/", "Connection: close"))
    assert "transfer-encoding: chunked" in head.lower()
    assert body == b"c\r\nall there is\r\n0\r\n\r\n"


async def test_an_answer_that_breaks_off_does_not_look_whole(world):
    async def host(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")

    async with served(host) as port, world.proxy(ports=[port]):
        head, body = await world.ask(get(f"http://127.0.0.1:{port}/"))
    assert "content-length: 100" in head.lower()
    assert body == b"only this"
    assert "broken off" in world.log


async def test_an_answer_to_a_head_request_has_no_body(world):
    host = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    async with served(host) as port, world.proxy(ports=[port]):
        head, body = await world.ask(f"HEAD http://127.0.0.1:{port}/ HTTP/1.1\nHost: a\nConnection: close")
    assert ("content-length: 100" in head.lower(), body) == (True, b"")


async def test_who_waits_to_send_its_body_is_told_to_go_on(world):
    async def host(peer: Peer) -> None:
        assert "expect: 100-continue" in await peer.head()
        await peer.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await peer.hear(4) == b"body"
        await peer.say(OK)

    async with served(host) as port, world.proxy(ports=[port]):
        peer = await world.client()
        await peer.say(
            f"POST http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
            "Expect: 100-continue\r\n\r\n".encode()
        )
        assert "100" in await peer.head()
        await peer.say(b"body")
        assert "200 OK" in await peer.head()
        await peer.close()


async def test_an_answer_may_come_before_the_request_has_ended(world):
    host = answering(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    async with served(host) as port, world.proxy(ports=[port]):
        peer = await world.client()
        await peer.say(
            f"POST http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n".encode()
        )
        assert "413 Too Large" in await peer.head()
        await peer.close()


@pytest.mark.parametrize(
    "nonsense",
    [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n", b"HTTP/1.1 101 No\r\n\r\n"],
)
async def test_a_host_that_speaks_no_http_is_told_of(world, nonsense):
    async with served(answering(nonsense)) as port, world.proxy(ports=[port]):
        head, body = await world.ask(get(f"http://127.0.0.1:{port}/"))
    assert head.startswith("HTTP/1.1 502 ")
    assert body == f"farcell: 127.0.0.1:{port} broke off, or what it says is no HTTP/1.1\n".encode()


# --- refusals ---


async def connect(world: World, target: str) -> tuple[str, str]:
    """The status line of the answer, and its body."""
    head, body = await world.ask(f"CONNECT {target} HTTP/1.1\nHost: {target}")
    return head.splitlines()[0], body.decode()


async def test_a_refusal_says_host_and_reason_and_what_to_type_in_its_status_line_too(world):
    async with world.proxy("pypi.org"):
        line, body = await connect(world, "files.pythonhosted.org:443")
    why = "it is not among this session's hosts (pypi.org): --network takes more"
    sentence = f"files.pythonhosted.org is refused: {why}"
    assert (line, body) == (f"HTTP/1.1 403 {sentence}", f"farcell: {sentence}\n")
    assert world.asked == []
    assert f"files.pythonhosted.org:443 refused: {sentence}" in world.log


async def test_a_refusal_in_plain_http_is_the_same(world):
    async with world.proxy("pypi.org"):
        head, body = await world.ask(get("http://evil.org/"))
    assert head.startswith("HTTP/1.1 403 evil.org is refused: it is not among")
    assert b"--network" in body


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::ffff:169.254.169.254"], ["fe80::1"], ["127.0.0.1"]],
)
async def test_a_name_that_leads_to_one_private_address_is_refused(world, addresses):
    world.names["a.org"] = addresses
    async with world.proxy(private=NOWHERE):
        line, _ = await connect(world, "a.org:443")
    assert line.startswith("HTTP/1.1 403 a.org is refused: it leads to a")
    assert "--network" in line


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:443",
        "[::1]:443",
        "169.254.169.254:80",
        "[fd00:ec2::254]:80",
        "[::ffff:10.0.0.1]:443",
        "0.0.0.0:80",
    ],
)
async def test_private_addresses_are_refused_as_such(world, target):
    async with world.proxy(private=NOWHERE):
        line, _ = await connect(world, target)
    assert " is refused: it is a" in line


@pytest.mark.parametrize("name", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "localhost"])
async def test_odd_ways_to_write_loopback_are_resolved_and_refused(world, name):
    from farcell.remote_runtime.gateway.egress.resolver import SystemResolver

    resolver = SystemResolver()
    async with world.proxy(private=NOWHERE, resolve=resolver):
        line, _ = await connect(world, f"{name}:443")
    resolver.close()
    assert line == f"HTTP/1.1 403 {name} is refused: it leads to a loopback address, which no --network opens"


async def test_a_name_is_resolved_once_so_that_what_was_checked_is_what_is_dialled(world):
    """A name server that answers otherwise the second time has no second time."""

    async def rebinding(host: str):
        world.names[host] = ["127.0.0.1"] if not world.asked else ["10.0.0.1"]
        return await world.resolve(host)

    async with served(echo) as port, world.proxy(ports=[port], resolve=rebinding):
        async with world.tunnel(f"rebind.org:{port}") as peer:
            await peer.say(b"x")
            assert await peer.hear(1) == b"x"
        assert world.asked == ["rebind.org"]
        line, _ = await connect(world, f"rebind.org:{port}")
    assert "403 rebind.org is refused: it leads to a private address" in line


async def test_who_asks_for_one_host_and_names_another_gets_the_one_it_asked_for(world):
    heads: list[str] = []
    world.names["a.org"] = ["127.0.0.1"]
    async with served(answering(OK, heads=heads)) as port, world.proxy("a.org", ports=[port]):
        await world.ask(f"GET http://a.org:{port}/ HTTP/1.1\nHost: metadata.internal\nConnection: close")
    assert f"host: a.org:{port}\r\n" in heads[0]
    assert "metadata" not in heads[0]


async def test_a_port_that_is_not_the_webs_is_refused(world):
    async with world.proxy():
        line, _ = await connect(world, "github.com:22")
    assert "403 github.com is refused: port 22 is not let through (only 80, 443)" in line


async def test_a_name_that_nobody_knows_is_told_as_that(world):
    async with world.proxy():
        line, _ = await connect(world, "nowhere.example:443")
    assert line == "HTTP/1.1 502 nowhere.example can't be found: Name or service not known"
    assert "nowhere.example:443 failed: " in world.log


async def test_a_port_where_nobody_listens_is_told_as_that(world):
    async with served(echo) as port:
        pass
    async with world.proxy(ports=[port]):
        line, _ = await connect(world, f"127.0.0.1:{port}")
    assert (
        line == f"HTTP/1.1 502 127.0.0.1:{port} can't be reached: Connect call failed ('127.0.0.1', {port})"
    )


async def test_the_next_address_is_tried_where_one_does_not_answer(world):
    world.names["a.org"] = ["127.0.0.2", "127.0.0.1"]
    async with served(echo) as port, world.proxy(ports=[port]), world.tunnel(f"a.org:{port}") as peer:
        await peer.say(b"x")
        assert await peer.hear(1) == b"x"


# --- what else may come ---


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET / HTTP/1.1\nHost: a", 400),
        ("GET https://a.org/ HTTP/1.1\nHost: a", 400),
        ("GET ftp://a.org/ HTTP/1.1\nHost: a", 400),
        ("GET http://user:pass@a.org/ HTTP/1.1\nHost: a", 400),
        ("GET http:///x HTTP/1.1\nHost: a", 400),
        ("GET http://[::1/x HTTP/1.1\nHost: a", 400),
        ("GET http://a.org:99999/ HTTP/1.1\nHost: a", 400),
        ("CONNECT a.org HTTP/1.1\nHost: a", 400),
        ("CONNECT a.org:http HTTP/1.1\nHost: a", 400),
        ("CONNECT ::1:443 HTTP/1.1\nHost: a", 400),
        ("CONNECT a.org:443 HTTP/1.1\nHost: a\nContent-Length: 5", 400),
        ("GET http://a.org/ HTTP/1.1", 400),
        ("no HTTP at all", 400),
        ("GET http://a.org/ HTTP/1.1\nHost: a\nBad header: x", 400),
        ("GET http://a.org/ HTTP/1.1\nHost: a\nContent-Length: 1\nContent-Length: 2", 400),
        ("GET http://a.org/ HTTP/1.1\nHost: a\nTransfer-Encoding: gzip", 501),
        ("GET http://a.org/ HTTP/1.1\nHost: a\nX: " + "x" * 200_000, 431),
    ],
)
async def test_what_can_not_be_meant_is_refused_in_words(world, head, status):
    async with world.proxy(private=NOWHERE) as proxy:
        answer, body = await world.ask(head)
        await until(lambda: proxy.connections == 0)
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert body.startswith(b"farcell: ")
    assert world.asked == []


async def endlessly(peer: Peer, headers: bytes) -> None:
    await peer.say(b"GET http://a.org/ HTTP/1.1\r\n")
    while True:
        await peer.say(headers)
        await asyncio.sleep(0)


async def test_a_head_without_end_takes_no_more_than_its_limit(world):
    async with world.proxy() as proxy:
        peer = await world.client()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await endlessly(peer, b"X: y\r\n" * 10_000)
        await peer.close()
        await until(lambda: proxy.connections == 0)


async def test_who_says_nothing_is_not_waited_for(world, monkeypatch):
    monkeypatch.setattr(proxy_module, "HEAD_S", 0.1)
    async with world.proxy():
        peer = await world.client()
        assert await peer.rest() == b""
        await peer.close()


async def test_a_hundred_connections_at_once_each_get_their_own(world):
    async def one(number: int) -> None:
        data = f"{number}".encode() * 1000
        async with world.tunnel(f"127.0.0.1:{port}") as peer:
            await peer.say(data)
            assert await peer.hear(len(data)) == data
            arrived.append(number)
            await until(lambda: len(arrived) == 100)

    arrived: list[int] = []
    async with served(echo) as port, world.proxy(ports=[port]) as proxy:
        async with asyncio.TaskGroup() as tasks:
            for number in range(100):
                tasks.create_task(one(number))
        await until(lambda: proxy.connections == 0)


async def test_one_more_than_there_may_be_is_told_so(world, monkeypatch):
    monkeypatch.setattr(lease_proxy, "MAX_CONNECTIONS", 1)
    async with served(echo) as port, world.proxy(ports=[port]) as proxy:
        async with world.tunnel(f"127.0.0.1:{port}"):
            line, _ = await connect(world, f"127.0.0.1:{port}")
            assert line == "HTTP/1.1 503 there are 1 connections already: close some, or try again"
        await until(lambda: proxy.connections == 0)
        async with world.tunnel(f"127.0.0.1:{port}"):
            pass


async def test_the_end_of_a_lease_breaks_what_is_open(world):
    async with served(echo) as port, world.proxy(ports=[port]) as proxy:
        async with world.tunnel(f"127.0.0.1:{port}") as peer:
            await proxy.end()
            assert await peer.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            await world.client()
        await proxy.end()


async def test_a_long_path_is_listened_at(world):
    world.folder = world.folder / ("long" * 30)
    async with world.proxy():
        assert world.socket.is_socket()
        assert world.socket.stat().st_mode & 0o777 == 0o600
        assert world.socket.parent.stat().st_mode & 0o777 == 0o700
        assert [path.name for path in world.socket.parent.iterdir()] == ["proxy.sock"]


# --- an upstream proxy ---


async def test_behind_an_upstream_proxy_tunnels_go_through_it_by_name(world):
    heads: list[str] = []

    async def upstream(peer: Peer) -> None:
        heads.append(await peer.head())
        await peer.say(b"HTTP/1.1 200 Fine\r\n\r\nearly ")
        await echo(peer)

    async with served(upstream) as port:
        way = Upstream.parse(f"http://me:p%40ss@127.0.0.1:{port}")
        async with world.proxy(private=NOWHERE, upstream=way), world.tunnel("pypi.org:443") as peer:
            await peer.say(b"hello")
            assert await peer.hear(11) == b"early hello"
    assert heads == [
        "CONNECT pypi.org:443 HTTP/1.1\r\nhost: pypi.org:443\r\nproxy-authorization: Basic bWU6cEBzcw==\r\n\r\n"
    ]


async def test_behind_an_upstream_proxy_plain_requests_name_their_host(world):
    heads: list[str] = []
    async with (
        served(answering(OK, heads=heads)) as port,
        world.proxy(private=NOWHERE, upstream=Upstream("127.0.0.1", port)),
    ):
        _, body = await world.ask(get("http://pypi.org/simple/", "Connection: close"))
    assert body == b"hi"
    assert heads[0].startswith("GET http://pypi.org:80/simple/ HTTP/1.1\r\nhost: pypi.org\r\n")


async def test_a_private_place_is_reached_without_the_upstream_proxy(world):
    world.names["index.corp"] = ["127.0.0.1"]
    async with (
        served(echo) as port,
        world.proxy(ports=[port], private=LOOPBACK, upstream=Upstream("127.0.0.1", 1)),
        world.tunnel(f"index.corp:{port}") as peer,
    ):
        await peer.say(b"x")
        assert await peer.hear(1) == b"x"


async def test_what_leads_to_a_private_address_here_is_not_asked_of_the_upstream_proxy(world):
    world.names["a.org"] = ["10.0.0.1"]
    async with world.proxy(private=NOWHERE, upstream=Upstream("127.0.0.1", 1)):
        line, _ = await connect(world, "a.org:443")
    assert "403 a.org is refused: it leads to a private address" in line


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n", "says 407 Who are you"),
        (b"nonsense\r\n\r\n", "broke off"),
        (b"", "broke off"),
    ],
)
async def test_what_the_upstream_proxy_refuses_is_told(world, answer, told):
    async with (
        served(answering(answer)) as port,
        world.proxy(private=NOWHERE, upstream=Upstream("127.0.0.1", port)),
    ):
        line, _ = await connect(world, "pypi.org:443")
    assert line == f"HTTP/1.1 502 pypi.org:443 can't be reached: the gateway's upstream proxy {told}"
