"""A numbered, acknowledged stream of messages over a link that may break at any byte and come back.

What one side sends the other receives: each message whole, once, and in order within its priority. A message of
high priority overtakes those of normal priority, also one that is half sent, and none that was sent after it
overtakes it. Both sides are alike. A stream outlives its links; over each of them it is driven so::

    write(stream.hello())
    if not stream.resume(read()):       # the peer has lost its state:
        stream = Stream(new_id)         # begin anew, and say hello again
    while linked:
        while (frame := stream.next_frame()) is not None:
            await write(frame)
        await something_sent_or_read()
        message = stream.receive(frame_read)
    stream.disconnected()

The side that was called answers after it has read: where `resume` is False it puts a fresh stream in the old one's
place, tries `resume` again (True when the caller is fresh too), and says hello for the stream that it has then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from ..errors import BadFrame, TooLarge
from .frames import MAX_PART_BYTES, Frame, Kind, Priority, pack, unpack
from .lanes import Inbox, Message, Outbox

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a stream keeps in memory; both sides of a link use the same.

    Frames have bodies of `part_bytes`; a receiver acknowledges every `ack_bytes`. Of normal priority, a sender has
    about `window_bytes` on the way (40 MB/s at a round trip of 100 ms), and holds back from `queue_bytes` on.
    A receiver keeps one unfinished message of up to `message_bytes` for each priority.
    """

    part_bytes: int = MAX_PART_BYTES
    ack_bytes: int = _MIB // 4
    window_bytes: int = 4 * _MIB
    queue_bytes: int = 16 * _MIB
    message_bytes: int = 512 * _MIB

    def __post_init__(self) -> None:
        if self.ack_bytes > self.window_bytes:
            raise ValueError("a window that closes before it is acknowledged never opens again")

    @property
    def max_parts(self) -> int:
        return -(-self.message_bytes // self.part_bytes)


LIMITS: Final = Limits()


class Stream:
    """One side of a stream.

    `stream_id` names the state that this object holds: a random text, never used again. All methods return at once
    and belong to one thread.
    """

    def __init__(self, stream_id: str, limits: Limits = LIMITS) -> None:
        self.id = stream_id
        self.peer_id: str | None = None
        self.connected = False
        self._limits = limits
        self._outboxes = [Outbox(limits.part_bytes) for _ in Priority]
        self._inboxes = [Inbox(priority, limits.max_parts, limits.ack_bytes) for priority in Priority]

    @property
    def queued_bytes(self) -> int:
        """Of all frames that are kept until the peer acknowledges them."""
        return sum(outbox.queued_bytes for outbox in self._outboxes)

    @property
    def writable(self) -> bool:
        """Whether `send` takes a message of normal priority; one of high priority it always takes."""
        return self._outboxes[Priority.NORMAL].queued_bytes < self._limits.queue_bytes

    def send(self, message: Message) -> None:
        """Queue a message, with or without a link.

        Raises `TooLarge` for a body that the peer would refuse, and `BufferError` unless `writable`.
        """
        if len(message.body) > self._limits.message_bytes:
            raise TooLarge(
                f"a message of {len(message.body)} bytes is too large: {self._limits.message_bytes} at most"
            )
        if message.priority is Priority.NORMAL and not self.writable:
            raise BufferError("the stream is full: wait until it is writable")
        self._outboxes[message.priority].put(message)

    def next_frame(self) -> bytes | None:
        """What to write next; None when the link is down, all is written, or the window is full.

        Ask again after each `send` and `receive`, and only for what is written at once: nothing can overtake a
        frame that was handed out.
        """
        if not self.connected:
            return None
        frame = self._next_ack() or self._next_part()
        return None if frame is None else pack(frame)

    def receive(self, data: bytes | memoryview) -> Message | None:
        """The message that this frame completes, if any.

        Raises `BadFrame` for garbage, gaps and false claims, and stays as it was: the caller closes the link, and
        the next one goes on from there. What is returned is acknowledged by a later `next_frame` at the earliest.
        """
        if not self.connected:
            raise BadFrame("a frame came before the handshake")
        frame = unpack(data)
        if frame.kind is not Kind.ACK:
            return self._inboxes[frame.priority].accept(frame)
        self._outboxes[frame.priority].acknowledge(frame.seq)
        return None

    def acknowledge(self) -> None:
        """Make acknowledgements due for all that has arrived.

        They are due by themselves every `ack_bytes`; called every few seconds, it lets the peer forget the rest.
        """
        for inbox in self._inboxes:
            inbox.ack_is_due = inbox.unacknowledged_bytes > 0

    def hello(self) -> dict[str, Any]:
        """What the peer's `resume` needs, JSON-able; taken while no link is there."""
        return {
            "stream": self.id,
            "peer": self.peer_id,
            "received": [inbox.received for inbox in self._inboxes],
        }

    def resume(self, peer_hello: Mapping[str, Any]) -> bool:
        """Go on over a new link, right after what the peer has; raises `BadFrame` for what is no hello.

        False, and nothing changes, where one side has lost its state. This stream is of no use to that peer then;
        both sides come to the same answer.
        """
        hello = _parse(peer_hello)
        if not self._fits(hello):
            return False
        for inbox, outbox, received in zip(self._inboxes, self._outboxes, hello.received, strict=True):
            inbox.acknowledge()
            outbox.acknowledge(received)
            outbox.rewind()
        self.peer_id = hello.stream
        self.connected = True
        return True

    def disconnected(self) -> None:
        """The link is gone, and no frame of it will be given to `receive`. May be called twice."""
        self.connected = False

    def unacknowledged(self) -> list[Message]:
        """What a peer that lost its state may not have got: whole messages, the more urgent first, then by age."""
        return [message for outbox in self._outboxes for message in outbox.unacknowledged()]

    def _next_ack(self) -> Frame | None:
        for inbox in self._inboxes:
            if inbox.ack_is_due:
                return inbox.acknowledge()
        return None

    def _next_part(self) -> Frame | None:
        high, normal = self._outboxes
        frame = high.take()
        if frame is None and normal.sent_bytes < self._limits.window_bytes:
            frame = normal.take()
        return frame

    def _fits(self, hello: _Hello) -> bool:
        return (
            self.peer_id in (None, hello.stream)
            and hello.peer in (None, self.id)
            and all(map(Outbox.may_resume_after, self._outboxes, hello.received))
        )


class _Hello(msgspec.Struct, frozen=True):
    stream: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    peer: str | None
    received: tuple[_Seq, _Seq]


_Seq = Annotated[int, msgspec.Meta(ge=0)]


def _parse(hello: Mapping[str, Any]) -> _Hello:
    try:
        return msgspec.convert(hello, _Hello)
    except msgspec.ValidationError as error:
        raise BadFrame(f"not a stream's hello: {error}") from error
