"""A link that delays, breaks anywhere, loses what is under way and repeats old frames; the model is a perfect pipe."""

from __future__ import annotations

from collections import deque
from itertools import count, islice

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from soaking import share

from farcell.remote_runtime.wire import Kind, Limits, Message, Priority, Stream
from farcell.remote_runtime.wire.frames import HEAD_BYTES

LIMITS = Limits(part_bytes=4, ack_bytes=120, window_bytes=250, queue_bytes=600, message_bytes=60)
LONGEST = LIMITS.message_bytes + LIMITS.max_parts * HEAD_BYTES
MESSAGES = st.builds(
    Message,
    kind=st.sampled_from([Kind.KERNEL, Kind.CONTROL]),
    client=st.integers(0, 2),
    body=st.binary(max_size=LIMITS.message_bytes),
    priority=st.sampled_from(Priority),
)
SIDES = st.sampled_from(["caller", "called"])
FRAMES = st.integers(1, 16)
OTHER = {"caller": "called", "called": "caller"}


class Pipe:
    """What one side sent, by priority, and what of it still has to come out at the other."""

    def __init__(self) -> None:
        self._clock = count()
        self._due: dict[Priority, deque[tuple[int, Message]]] = {priority: deque() for priority in Priority}

    def put(self, message: Message) -> None:
        self._due[message.priority].append((next(self._clock), message))

    def take(self, message: Message) -> None:
        """`message` came out: it is the oldest of its priority, and no older urgent one is still due."""
        put_at, expected = self._due[message.priority].popleft()
        assert message == expected
        assert all(put_at < other for other, _ in self._due[Priority.HIGH])

    @property
    def empty(self) -> bool:
        return not any(self._due.values())


class BreakingLink(RuleBasedStateMachine):
    """Two streams, and for each the frames that are under way from it. Between the rules the link is whole."""

    def __init__(self) -> None:
        super().__init__()
        self.streams = {side: Stream(side, LIMITS) for side in OTHER}
        self.pipes = {side: Pipe() for side in OTHER}
        self.under_way: dict[str, deque[bytes]] = {side: deque() for side in OTHER}
        self.arrived: dict[str, list[bytes]] = {side: [] for side in OTHER}
        self.link()

    def link(self) -> None:
        caller, called = self.streams.values()
        assert called.resume(caller.hello())
        assert caller.resume(called.hello())

    def cut(self) -> None:
        """All that is under way is lost; any part of it may have been delivered before."""
        for side, stream in self.streams.items():
            stream.disconnected()
            self.under_way[side].clear()

    def write(self, side: str, frames: int) -> None:
        for frame in islice(iter(self.streams[side].next_frame, None), frames):
            self.under_way[side].append(frame)

    def deliver(self, side: str, frames: int) -> None:
        for _ in range(min(frames, len(self.under_way[side]))):
            frame = self.under_way[side].popleft()
            if (message := self.streams[OTHER[side]].receive(frame)) is not None:
                self.pipes[side].take(message)
            self.arrived[side].append(frame)

    def send(self, side: str, messages: list[Message]) -> None:
        stream = self.streams[side]
        for message in messages:
            if message.priority is Priority.HIGH or stream.writable:
                stream.send(message)
                self.pipes[side].put(message)

    @rule(side=SIDES, messages=st.lists(MESSAGES, max_size=4), written=FRAMES, delivered=FRAMES)
    def talk(self, side: str, messages: list[Message], written: int, delivered: int) -> None:
        self.send(side, messages)
        self.write(side, written)
        self.deliver(side, delivered)

    @rule(side=SIDES)
    @precondition(lambda self: any(self.arrived.values()))
    def acknowledge(self, side: str) -> None:
        self.streams[side].acknowledge()

    @rule(side=SIDES, meanwhile=st.lists(MESSAGES, max_size=2), void=st.just(0) | FRAMES)
    @precondition(lambda self: any(self.under_way.values()))
    def break_and_call(self, side: str, meanwhile: list[Message], void: int) -> None:
        """The first call may break too, before its answer and `void` frames that followed it arrive."""
        self.cut()
        self.send(side, meanwhile)
        if void:
            caller, called = self.streams.values()
            assert called.resume(caller.hello())
            self.write("called", void)
            self.cut()
        self.link()

    @rule(side=SIDES, frames=FRAMES)
    @precondition(lambda self: any(self.arrived.values()))
    def repeat(self, side: str, frames: int) -> None:
        """The last frames that arrived, over this link or an older one, arrive again."""
        for frame in self.arrived[side][-frames:]:
            assert self.streams[OTHER[side]].receive(frame) is None

    @invariant()
    def what_is_kept_is_bounded(self) -> None:
        for stream in self.streams.values():
            outbox = stream._outboxes[Priority.NORMAL]
            assert outbox.queued_bytes < LIMITS.queue_bytes + LONGEST
            assert outbox.sent_bytes < LIMITS.window_bytes + HEAD_BYTES + LIMITS.part_bytes

    def teardown(self) -> None:
        """Over a link that holds, everything arrives and nothing is kept."""
        for side in list(OTHER) * 50:
            self.write(side, 50)
            self.deliver(side, 50)
            self.acknowledge(side)
        assert all(pipe.empty for pipe in self.pipes.values())
        assert not any(stream.queued_bytes for stream in self.streams.values())


class TestBreakingLink(BreakingLink.TestCase):
    settings = settings(stateful_step_count=60, deadline=None)


@pytest.mark.soak("stream, by histories", seeds=share(2_000))
class TestBreakingLinkForLong(BreakingLink.TestCase):
    settings = settings(max_examples=share(2_000), stateful_step_count=200, deadline=None)
