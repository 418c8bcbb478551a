"""One priority of a stream: frames are numbered, kept until acknowledged, and put together on the other side.

Each lane has its own numbers, so a message of one can arrive while a message of the other is in the middle. Within
a lane, messages and their parts go one after the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from ..errors import BadFrame
from .frames import HEAD_BYTES, Frame, Kind, Priority


class Message(NamedTuple):
    """What a stream carries. `client` says which client of the gateway it belongs to; 0: the link itself."""

    kind: Kind
    client: int
    body: bytes
    priority: Priority = Priority.NORMAL


class Outbox:
    """The sending half of a lane: the parts that wait, and those that were sent and are not acknowledged."""

    def __init__(self, part_bytes: int) -> None:
        self._part_bytes = part_bytes
        self._waiting: deque[tuple[Frame, Message]] = deque()
        self._sent: deque[tuple[Frame, Message]] = deque()
        self._queued = 0  # the number of the last frame that was put
        self._taken = 0
        self._acknowledged = 0
        self.queued_bytes = 0
        """Of all frames that are kept, sent or not."""
        self.sent_bytes = 0

    def put(self, message: Message) -> None:
        bodies = self._split(message.body)
        for part, body in enumerate(bodies):
            self._queued += 1
            self.queued_bytes += HEAD_BYTES + len(body)
            head = (message.kind, message.priority, message.client, self._queued, part, len(bodies))
            self._waiting.append((Frame(*head, body), message))

    def take(self) -> Frame | None:
        """The next frame to send."""
        if not self._waiting:
            return None
        frame, message = self._waiting.popleft()
        self._sent.append((frame, message))
        self._taken = frame.seq
        self.sent_bytes += HEAD_BYTES + len(frame.body)
        return frame

    def may_resume_after(self, seq: int) -> bool:
        """Whether a peer can have received up to `seq` and no further, and all that follows is still here."""
        return self._acknowledged <= seq <= self._taken

    def acknowledge(self, seq: int) -> None:
        """Let go of all frames up to `seq`; raises `BadFrame` for one that was not sent."""
        if seq > self._taken:
            raise BadFrame(f"a peer acknowledged frame {seq}, but {self._taken} was the last")
        while self._sent and self._sent[0][0].seq <= seq:
            frame, _ = self._sent.popleft()
            self.sent_bytes -= HEAD_BYTES + len(frame.body)
            self.queued_bytes -= HEAD_BYTES + len(frame.body)
        self._acknowledged = max(self._acknowledged, seq)

    def rewind(self) -> None:
        """Send again, from the first frame that is not acknowledged."""
        self._waiting.extendleft(reversed(self._sent))
        self._sent.clear()
        self._taken = self._acknowledged
        self.sent_bytes = 0

    def unacknowledged(self) -> Iterator[Message]:
        """The messages that are not known to have arrived whole, the oldest first."""
        kept = chain(self._sent, self._waiting)
        return (message for frame, message in kept if frame.part + 1 == frame.parts)

    def _split(self, body: bytes) -> list[bytes | memoryview]:
        if len(body) <= self._part_bytes:
            return [body]
        view = memoryview(body)
        return [view[start : start + self._part_bytes] for start in range(0, len(body), self._part_bytes)]


class Inbox:
    """The receiving half of a lane: the parts of the one message that is not whole yet."""

    def __init__(self, priority: Priority, max_parts: int, ack_bytes: int) -> None:
        self._priority = priority
        self._max_parts = max_parts
        self._ack_bytes = ack_bytes
        self._parts: list[Frame] = []
        self.received = 0
        """The number of the last frame that arrived."""
        self.unacknowledged_bytes = 0
        self.ack_is_due = False

    def accept(self, frame: Frame) -> Message | None:
        """The message that `frame` completes, if any; a frame that arrived before is dropped.

        Raises `BadFrame`, and stays as it was, for a frame that can't come next.
        """
        if frame.seq <= self.received:
            return None
        self._check(frame)
        self._count(frame)
        self._parts.append(frame)
        return self._join() if len(self._parts) == frame.parts else None

    def acknowledge(self) -> Frame:
        """The acknowledgement of all that has arrived; nothing is due any more."""
        self.unacknowledged_bytes = 0
        self.ack_is_due = False
        return Frame(Kind.ACK, self._priority, seq=self.received)

    def _check(self, frame: Frame) -> None:
        first = self._parts[0] if self._parts else frame
        heads = (first.kind, first.priority, first.client, self.received + 1, len(self._parts), first.parts)
        if frame[:6] != heads:
            raise BadFrame(f"frame {frame.seq}, part {frame.part}, can't follow frame {self.received}")
        if frame.parts > self._max_parts:
            raise BadFrame(f"a message has {self._max_parts} parts at most, not {frame.parts}")

    def _count(self, frame: Frame) -> None:
        self.received = frame.seq
        self.unacknowledged_bytes += HEAD_BYTES + len(frame.body)
        self.ack_is_due = self.unacknowledged_bytes >= self._ack_bytes

    def _join(self) -> Message:
        kind, priority, client, *_ = self._parts[0]
        body = b"".join([frame.body for frame in self._parts])
        self._parts.clear()
        return Message(kind, client, body, priority)
