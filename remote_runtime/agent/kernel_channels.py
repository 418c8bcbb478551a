"""The agent's ZMQ sockets to the kernel: a set for each client, so that replies find their way undecoded."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable
from functools import partial

import zmq

from ..errors import BadFrame
from ..wire.messages import KernelMessage
from ..wire.numbered import BROADCAST
from .kernel_process import Connection

_log = logging.getLogger(__name__)

_DELIMITER = b"<IDS|MSG>"
_REPLY_CHANNELS = ("shell", "control", "stdin")
_BATCH = 64
"""Messages read from one socket before others get their turn."""

Deliver = Callable[[int, KernelMessage], None]


class KernelChannels:
    """All sockets to one kernel process. `deliver(client, message)` is called on the event loop, in order per socket.

    High-water marks are 0: ZMQ would drop silently at 1,000 messages.
    The agent itself asks the kernel under the number of broadcasts.
    """

    def __init__(self, connection: Connection, deliver: Deliver) -> None:
        self._connection = connection
        self._deliver = deliver
        self._context = zmq.Context()
        self._clients: dict[int, dict[str, _ChannelSocket]] = {}
        self._iopub = self._open(zmq.SUB, "iopub", BROADCAST)
        self.attach(BROADCAST)

    def attach(self, client: int) -> None:
        """Opens a client's sockets; silent when they are open."""
        if client not in self._clients:
            self._clients[client] = {
                channel: self._open(zmq.DEALER, channel, client) for channel in _REPLY_CHANNELS
            }

    def detach(self, client: int) -> None:
        """Closes a client's sockets; silent when there are none."""
        for socket in self._clients.pop(client, {}).values():
            socket.close()

    def send(self, client: int, message: KernelMessage) -> None:
        """Signs and sends; attaches a client that is not. Raises `BadFrame` where clients have nothing to say."""
        if message.channel not in _REPLY_CHANNELS:
            raise BadFrame(f"a client's message for {message.channel}")
        self.attach(client)
        body = [message.header, message.parent_header, message.metadata, message.content]
        signature = sign(self._connection.key, body)
        self._clients[client][message.channel].send(
            [_DELIMITER, signature, *body, *map(bytes, message.buffers)]
        )

    def pause(self) -> None:
        for socket in self._sockets():
            socket.pause()

    def resume(self) -> None:
        for socket in self._sockets():
            socket.resume()

    def _sockets(self) -> list[_ChannelSocket]:
        replies = [socket for sockets in self._clients.values() for socket in sockets.values()]
        return [self._iopub, *replies]

    def close(self) -> None:
        for client in list(self._clients):
            self.detach(client)
        self._iopub.close()
        self._context.destroy(linger=0)

    def _open(self, kind: int, channel: str, client: int) -> _ChannelSocket:
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.rcvhwm = socket.sndhwm = 0
        socket.reconnect_ivl = 5
        if kind == zmq.SUB:
            socket.subscribe(b"")
        else:
            socket.routing_id = b"farcell-%d" % client
        socket.connect(self._connection.endpoint(channel))
        return _ChannelSocket(socket, partial(self._received, client, channel))

    def _received(self, client: int, channel: str, parts: list[bytes]) -> None:
        # No check of the signature: the sockets lie in a folder of the container's own user, and so does the key.
        start = parts.index(_DELIMITER) + 2
        header, parent_header, metadata, content, *buffers = parts[start:]
        self._deliver(
            client, KernelMessage(channel, header, parent_header, metadata, content, tuple(buffers))
        )


def sign(key: bytes, parts: list[bytes]) -> bytes:
    """The signature of the messaging protocol: HMAC-SHA256 over header, parent header, metadata and content, in hex."""
    digest = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        digest.update(part)
    return digest.hexdigest().encode()


class _ChannelSocket:
    """One ZMQ socket on the event loop. Its file descriptor is edge-triggered: after each send, it is read again."""

    def __init__(self, socket: zmq.Socket[bytes], received: Callable[[list[bytes]], None]) -> None:
        self._socket = socket
        self._received = received
        self._loop = asyncio.get_running_loop()
        self._paused = False
        self._loop.add_reader(self._socket.fileno(), self._read)
        self._loop.call_soon(self._read)

    def send(self, parts: list[bytes]) -> None:
        self._socket.send_multipart(parts, zmq.NOBLOCK)
        self._loop.call_soon(self._read)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._loop.call_soon(self._read)

    def close(self) -> None:
        if not self._socket.closed:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close(linger=0)

    def _read(self) -> None:
        for _ in range(_BATCH):
            if self._paused or self._socket.closed:
                return
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._hand_on(parts)
        self._loop.call_soon(self._read)

    def _hand_on(self, parts: list[bytes]) -> None:
        """What fails on its way is dropped: the socket's next messages would wait for an edge that has passed."""
        try:
            self._received(parts)
        except Exception:  # noqa: BLE001 - outermost in this callback of the loop's
            _log.exception("a message of the kernel's was dropped")
