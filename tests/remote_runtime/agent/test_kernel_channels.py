"""The sockets to a kernel: signed as jupyter_client signs, in order, whatever comes out of them."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import zmq
from far_messages import request, stream
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.session import Session
from patience import until

from farcell.remote_runtime.agent.kernel_channels import KernelChannels, sign
from farcell.remote_runtime.agent.kernel_process import Connection
from farcell.remote_runtime.errors import BadFrame
from farcell.remote_runtime.wire.messages import KernelMessage

PARTS = st.lists(st.binary(max_size=50), min_size=4, max_size=4)


@given(st.binary(min_size=1, max_size=80), PARTS)
def test_messages_are_signed_as_jupyter_client_signs_them(key, parts):
    assert sign(key, parts) == Session(key=key).sign(parts)


class Kernel:
    """The kernel's ends of shell and IOPub."""

    def __init__(self, connection: Connection) -> None:
        self.context = zmq.Context()
        self.session = Session(key=connection.key)
        self.shell = self._bind(zmq.ROUTER, connection.endpoint("shell"))
        self.iopub = self._bind(zmq.XPUB, connection.endpoint("iopub"))

    def _bind(self, kind: int, endpoint: str) -> zmq.Socket[bytes]:
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.sndhwm = 0
        if kind == zmq.ROUTER:
            socket.router_handover = 1  # as ipykernel does
        socket.bind(endpoint)
        return socket

    def publish(self, message: KernelMessage) -> None:
        parts = [message.header, message.parent_header, message.metadata, message.content]
        self.iopub.send_multipart([b"topic", b"<IDS|MSG>", sign(self.session.key, parts), *parts])

    def close(self) -> None:
        self.context.destroy(linger=0)


class World:
    def __init__(self, folder: Path) -> None:
        connection = Connection(folder / "k", secrets.token_hex(8).encode())
        self.kernel = Kernel(connection)
        self.heard: list[tuple[int, KernelMessage]] = []
        self.failing = False
        self.channels = KernelChannels(connection, self._deliver)

    def _deliver(self, client: int, message: KernelMessage) -> None:
        if self.failing:
            raise RuntimeError("not this one")
        self.heard.append((client, message))

    async def subscribed(self) -> None:
        await until(lambda: self.kernel.iopub.poll(0))
        self.kernel.iopub.recv()

    @property
    def texts(self) -> list[bytes]:
        return [message.content for _, message in self.heard]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    made.channels.close()
    made.kernel.close()


async def test_a_request_arrives_signed_and_its_reply_comes_to_the_client_that_sent_it(world):
    world.channels.send(7, request("a"))
    await until(lambda: world.kernel.shell.poll(0))
    identities, message = world.kernel.session.feed_identities(world.kernel.shell.recv_multipart())
    assert world.kernel.session.deserialize(message)["header"]["msg_id"] == "a"
    world.kernel.session.send(world.kernel.shell, "execute_reply", {"status": "ok"}, ident=identities)
    await until(lambda: world.heard)
    ((client, reply),) = world.heard
    assert (client, reply.channel) == (7, "shell")


async def test_more_than_zmqs_high_water_mark_comes_whole_and_in_order(world):
    await world.subscribed()
    sent = [stream("a", str(number)) for number in range(3000)]
    for message in sent:
        world.kernel.publish(message)
    await until(lambda: len(world.heard) == len(sent))
    assert world.texts == [message.content for message in sent]


async def test_what_is_no_message_is_dropped_and_the_next_ones_come(world, caplog):
    await world.subscribed()
    world.kernel.iopub.send_multipart([b"topic", b"no delimiter"])
    world.kernel.iopub.send_multipart([b"<IDS|MSG>", b"signature", b"{}"])
    world.kernel.publish(stream("a", "good"))
    await until(lambda: world.heard)
    assert len(world.heard) == 1
    assert caplog.text.count("was dropped") == 2


async def test_a_message_that_fails_on_its_way_does_not_hold_up_the_others(world, caplog):
    await world.subscribed()
    world.failing = True
    world.kernel.publish(stream("a", "fails"))
    await until(lambda: "was dropped" in caplog.text)
    world.failing = False
    world.kernel.publish(stream("a", "good"))
    await until(lambda: world.heard)


async def test_nothing_is_read_while_it_pauses_and_nothing_is_lost(world):
    await world.subscribed()
    world.channels.pause()
    for number in range(2000):
        world.kernel.publish(stream("a", str(number)))
    world.kernel.iopub.poll(50, zmq.POLLOUT)
    assert world.heard == []
    world.channels.resume()
    await until(lambda: len(world.heard) == 2000)


async def test_a_client_that_is_not_attached_is_by_its_first_message(world):
    world.channels.attach(3)
    world.channels.attach(3)
    world.channels.detach(3)
    world.channels.detach(3)
    world.channels.send(3, request("a"))
    await until(lambda: world.kernel.shell.poll(0))


async def test_clients_say_nothing_on_iopub(world):
    with pytest.raises(BadFrame, match="iopub"):
        world.channels.send(3, stream("a", "forged"))
