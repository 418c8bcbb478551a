"""What an agent is told of a gateway that was restarted, also where the connection breaks in their greeting."""

from __future__ import annotations

from typing import Any

import pytest
from tornado.websocket import WebSocketClosedError

from farcell.remote_runtime.agent.link import GatewayLink
from farcell.remote_runtime.errors import BadFrame
from farcell.remote_runtime.gateway.agent_link import AgentLink
from farcell.remote_runtime.wire import Kind, Message, Stream, control

MESSAGE = Message(Kind.KERNEL, 1, b"an answer")


class Owner:
    def __init__(self) -> None:
        self.welcomes: list[bool] = []

    def hello(self, nonce: str, stream: dict[str, Any]) -> control.Hello:
        return control.Hello(nonce, stream)

    def welcomed(self, welcome: control.Welcome, *, fresh: bool) -> None:
        self.welcomes.append(fresh)

    def received(self, message: Message) -> None:
        raise NotImplementedError

    def room(self) -> None:
        raise NotImplementedError


class PlayedConnection:
    """To a gateway that knows what `link` does; breaks before the answer to hello number `breaks_at`."""

    close_code, close_reason = 1006, "broken"

    def __init__(self, link: AgentLink, breaks_at: int | None = None) -> None:
        self._link = link
        self._breaks_at = breaks_at
        self._hellos = 0
        self._answer = ""

    async def write_message(self, text: str) -> None:
        hello = control.decode_from_agent(text)
        assert isinstance(hello, control.Hello)
        stream, _ = self._link.greet(hello.stream)
        self._hellos += 1
        self._answer = control.encode(control.Welcome(stream, 60, 60, 60)).decode()

    async def read_message(self) -> str | None:
        return None if self._hellos == self._breaks_at else self._answer


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def link(owner: Owner) -> GatewayLink:
    return GatewayLink("unused", "lease", lambda: "token", owner)


async def greet(link: GatewayLink, connection: PlayedConnection) -> None:
    try:
        await link._handshake(connection)
    finally:
        link._stream.disconnected()


async def test_the_same_gateway_is_not_fresh(link: GatewayLink, owner: Owner):
    gateway = AgentLink()
    await greet(link, PlayedConnection(gateway))
    await greet(link, PlayedConnection(gateway))
    assert owner.welcomes == [False, False]


async def test_a_restarted_gateway_is_fresh(link: GatewayLink, owner: Owner):
    await greet(link, PlayedConnection(AgentLink()))
    await greet(link, PlayedConnection(AgentLink()))
    assert owner.welcomes == [False, True]


@pytest.mark.parametrize("breaks_at", [1, 2])
async def test_a_restarted_gateway_is_fresh_also_after_a_greeting_that_broke(
    link: GatewayLink, owner: Owner, breaks_at: int
):
    await greet(link, PlayedConnection(AgentLink()))
    restarted = AgentLink()
    with pytest.raises(WebSocketClosedError):
        await greet(link, PlayedConnection(restarted, breaks_at))
    await greet(link, PlayedConnection(restarted))
    await greet(link, PlayedConnection(restarted))
    assert owner.welcomes == [False, True, False]


async def test_a_stale_hello_is_refused_and_what_waits_for_the_agent_stays():
    gateway, agent = AgentLink(), Stream("agent")
    stream, _ = gateway.greet(agent.hello())
    agent.resume(stream)
    stale = agent.hello()
    gateway.send(MESSAGE)
    agent.receive(gateway._stream.next_frame() or b"")
    agent.disconnected()
    agent.resume(gateway.greet(agent.hello())[0])
    gateway.send(MESSAGE)
    with pytest.raises(BadFrame):
        gateway.greet(stale)
    agent.disconnected()
    agent.resume(gateway.greet(agent.hello())[0])
    assert agent.receive(gateway._stream.next_frame() or b"") == MESSAGE
