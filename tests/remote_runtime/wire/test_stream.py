"""What a stream promises, one fact at a time; `test_breaking_link.py` has them all at once."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.errors import BadFrame, TooLarge
from farcell.remote_runtime.wire import Kind, Limits, Message, Priority, Stream, frames
from farcell.remote_runtime.wire.frames import HEAD_BYTES, Frame

LIMITS = Limits(part_bytes=10, ack_bytes=100, window_bytes=200, queue_bytes=1000, message_bytes=500)
WIDE = Limits(part_bytes=10)


def normal(body: bytes) -> Message:
    return Message(Kind.KERNEL, 7, body)


def urgent(body: bytes) -> Message:
    return Message(Kind.CONTROL, 0, body, Priority.HIGH)


def link(caller: Stream, called: Stream) -> None:
    """A whole handshake, the hellos as JSON."""
    hello = json.loads(json.dumps(caller.hello()))
    assert called.resume(hello)
    assert caller.resume(json.loads(json.dumps(called.hello())))


def linked(limits: Limits = LIMITS) -> tuple[Stream, Stream]:
    here, there = Stream("here", limits), Stream("there", limits)
    link(here, there)
    return here, there


def written(stream: Stream) -> list[bytes]:
    return list(iter(stream.next_frame, None))


def deliver(data: list[bytes], stream: Stream) -> list[Message]:
    return [message for frame in data if (message := stream.receive(frame)) is not None]


def break_link(*streams: Stream) -> None:
    for stream in streams:
        stream.disconnected()


@pytest.mark.parametrize("body", [b"", b"x", b"0123456789", b"0123456789x", b"x" * 500])
def test_a_message_of_any_size_arrives_as_it_was(body):
    here, there = linked(WIDE)
    here.send(normal(body))
    assert deliver(written(here), there) == [normal(body)]


def test_messages_arrive_in_order():
    here, there = linked()
    sent = [normal(b"%d" % number * number) for number in range(5)]
    for message in sent:
        here.send(message)
    assert deliver(written(here), there) == sent


def test_nothing_is_written_before_the_handshake_and_after_the_end():
    here = Stream("here", LIMITS)
    here.send(normal(b"x"))
    assert here.next_frame() is None
    link(here, Stream("there", LIMITS))
    here.disconnected()
    here.disconnected()
    assert here.next_frame() is None


def test_a_frame_before_the_handshake_is_a_bad_frame():
    with pytest.raises(BadFrame, match="before the handshake"):
        Stream("here").receive(frames.pack(Frame(Kind.KERNEL)))


def test_an_urgent_message_overtakes_one_that_is_half_sent():
    here, there = linked(WIDE)
    here.send(normal(b"x" * 100))
    half = [here.next_frame(), here.next_frame()]
    here.send(urgent(b"interrupt" * 5))
    assert deliver(half + written(here), there) == [urgent(b"interrupt" * 5), normal(b"x" * 100)]


def test_an_urgent_message_passes_a_full_window():
    here, _ = linked()
    here.send(normal(b"x" * 500))
    assert len(written(here)) < 50
    here.send(urgent(b"interrupt"))
    assert frames.unpack(here.next_frame()).body == b"interrupt"


def test_an_urgent_message_overtakes_what_is_sent_again():
    here, there = linked()
    here.send(normal(b"x" * 100))
    written(here)
    break_link(here, there)
    here.send(urgent(b"interrupt"))
    link(here, there)
    assert deliver([here.next_frame()], there) == [urgent(b"interrupt")]


def test_the_window_bounds_what_is_on_the_way():
    here, _ = linked()
    here.send(normal(b"x" * 500))
    on_the_way = sum(map(len, written(here)))
    assert LIMITS.window_bytes <= on_the_way < LIMITS.window_bytes + HEAD_BYTES + LIMITS.part_bytes


def test_acknowledgements_come_by_themselves_and_open_the_window():
    here, there = linked()
    here.send(normal(b"x" * 500))
    arrived = []
    while data := written(here):
        arrived += deliver(data, there)
        deliver(written(there), here)
    assert arrived == [normal(b"x" * 500)]
    assert here.queued_bytes < LIMITS.ack_bytes


def test_small_messages_are_acknowledged_in_batches():
    here, there = linked(Limits())
    for _ in range(1000):
        here.send(normal(b"x" * 200))
    deliver(written(here), there)
    assert written(there) == []
    there.acknowledge()
    assert len(written(there)) == 1
    there.acknowledge()
    assert written(there) == []


def test_a_sender_has_to_hold_back_until_the_peer_acknowledges():
    here, there = linked()
    here.send(normal(b"x" * 490))
    assert not here.writable
    with pytest.raises(BufferError):
        here.send(normal(b""))
    here.send(urgent(b"always taken"))
    while data := written(here):
        deliver(data, there)
        there.acknowledge()
        deliver(written(there), here)
    assert here.writable
    assert here.queued_bytes == 0


def test_a_message_that_the_peer_would_refuse_is_not_queued():
    here, _ = linked()
    with pytest.raises(TooLarge):
        here.send(normal(b"x" * 501))
    assert here.queued_bytes == 0


def test_limits_under_which_a_window_never_opens_again_are_refused():
    with pytest.raises(ValueError, match="window"):
        Limits(ack_bytes=2, window_bytes=1)


@pytest.mark.parametrize("arrived", range(11))
def test_a_link_cut_after_any_frame_goes_on_right_there(arrived):
    here, there = linked(WIDE)
    here.send(normal(b"x" * 100))
    deliver(written(here)[:arrived], there)
    break_link(here, there)
    link(here, there)
    again = written(here)
    assert len(again) == 10 - arrived
    assert deliver(again, there) == [normal(b"x" * 100)] * (arrived < 10)


def test_a_link_may_break_again_in_the_middle_of_sending_again():
    here, there = linked(WIDE)
    here.send(normal(b"x" * 100))
    messages = []
    for arrived in (3, 0, 2, 1):
        messages += deliver(written(here)[:arrived], there)
        break_link(here, there)
        link(here, there)
    assert messages + deliver(written(here), there) == [normal(b"x" * 100)]


def test_a_hello_whose_answer_was_lost_harms_nothing():
    here, there = Stream("here", LIMITS), Stream("there", LIMITS)
    assert there.resume(here.hello())
    there.send(normal(b"into the void"))
    written(there)
    break_link(here, there)
    link(here, there)
    assert deliver(written(there), here) == [normal(b"into the void")]


def test_a_hello_acknowledges_what_had_arrived():
    here, there = linked()
    here.send(normal(b"x" * 50))
    deliver(written(here), there)
    break_link(here, there)
    link(here, there)
    assert here.queued_bytes == 0
    assert written(there) == []


def test_what_is_not_sent_again_yet_cannot_be_acknowledged():
    here, there = linked()
    here.send(normal(b"x"))
    written(here)
    break_link(here, there)
    link(here, there)
    with pytest.raises(BadFrame):
        here.receive(frames.pack(Frame(Kind.ACK, seq=1)))
    assert deliver(written(here), there) == [normal(b"x")]


def test_a_frame_that_comes_twice_is_dropped():
    here, there = linked()
    here.send(normal(b"x" * 25))
    data = written(here)
    assert deliver(data + data[1:], there) == [normal(b"x" * 25)]


def test_an_old_acknowledgement_is_dropped():
    here, there = linked()
    acknowledgements = []
    for _ in range(2):
        here.send(normal(b"x"))
        deliver(written(here), there)
        there.acknowledge()
        acknowledgements += written(there)
    deliver(reversed(acknowledgements), here)
    assert here.queued_bytes == 0


@pytest.mark.parametrize(("lost", "kept"), [("caller", "called"), ("called", "caller")])
def test_both_sides_see_that_one_has_lost_its_state(lost, kept):
    caller, called = linked()
    break_link(caller, called)
    sides = {"caller": caller, "called": called, lost: Stream("fresh", LIMITS)}
    assert not sides["called"].resume(sides["caller"].hello())
    assert not sides["caller"].resume(sides["called"].hello())
    sides[kept] = Stream("fresh too", LIMITS)
    link(sides["caller"], sides["called"])


def test_what_a_lost_peer_may_not_have_got_is_told():
    here, there = linked()
    for message in (normal(b"arrived"), normal(b"half arrived"), normal(b"waits"), urgent(b"interrupt")):
        here.send(message)
    deliver(written(here)[:3], there)
    there.acknowledge()
    deliver(written(there), here)
    assert here.unacknowledged() == [normal(b"half arrived"), normal(b"waits")]


def test_a_failed_resume_changes_nothing():
    here, there = linked()
    here.send(normal(b"x" * 100))
    written(here)
    break_link(here, there)
    assert not here.resume({"stream": "stranger", "peer": None, "received": [0, 0]})
    assert not here.connected
    link(here, there)
    assert len(written(here)) > 0


@pytest.mark.parametrize(
    "hello",
    [
        {},
        {"stream": "", "peer": None, "received": [0, 0]},
        {"stream": "x" * 65, "peer": None, "received": [0, 0]},
        {"stream": "there", "peer": 1, "received": [0, 0]},
        {"stream": "there", "peer": None, "received": [0]},
        {"stream": "there", "peer": None, "received": [0, -1]},
        {"stream": "there", "peer": None, "received": [0, True]},
        {"stream": "there", "peer": None, "received": "00"},
    ],
)
def test_a_crooked_hello_is_a_bad_frame(hello):
    with pytest.raises(BadFrame, match="hello"):
        Stream("here").resume(hello)


@pytest.mark.parametrize("received", [[0, 2], [1, 1], [0, 2**64]])
def test_a_peer_that_claims_what_was_not_sent_is_not_resumed(received):
    here, _ = linked()
    here.send(normal(b"x"))
    written(here)
    here.disconnected()
    assert not here.resume({"stream": "there", "peer": "here", "received": received})


def test_unknown_fields_of_a_hello_are_ignored():
    assert Stream("here").resume({"stream": "there", "peer": None, "received": [0, 0], "later": 1})


FIRST = Frame(Kind.KERNEL, client=1, seq=1, part=0, parts=3, body=b"x")
WRONG = {
    "a gap": FIRST._replace(seq=3, part=1),
    "another part": FIRST._replace(seq=2, part=2),
    "the first part again": FIRST._replace(seq=2),
    "another count of parts": FIRST._replace(seq=2, part=1, parts=4),
    "another client": FIRST._replace(seq=2, part=1, client=2),
    "another kind": FIRST._replace(seq=2, part=1, kind=Kind.CONTROL),
    "an acknowledgement of what was not sent": Frame(Kind.ACK, seq=1),
    "a message in the middle on a fresh lane": FIRST._replace(priority=Priority.HIGH, part=1),
    "more parts than a message may have": Frame(Kind.KERNEL, Priority.HIGH, parts=51),
}


@pytest.mark.parametrize("frame", WRONG.values(), ids=WRONG)
def test_a_frame_that_cannot_come_next_is_refused_and_changes_nothing(frame):
    stream, _ = linked()
    stream.receive(frames.pack(FIRST))
    with pytest.raises(BadFrame):
        stream.receive(frames.pack(frame))
    rest = [FIRST._replace(seq=2, part=1, body=b"y"), FIRST._replace(seq=3, part=2, body=b"z")]
    assert deliver(list(map(frames.pack, rest)), stream) == [Message(Kind.KERNEL, 1, b"xyz")]


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_random_frames_are_refused_and_change_nothing(garbage):
    stream, peer = linked()
    for data in garbage:
        with pytest.raises(BadFrame):
            stream.receive(data)
    peer.send(normal(b"x"))
    assert deliver(written(peer), stream) == [normal(b"x")]


def test_a_message_without_end_is_refused_at_its_first_part():
    stream, _ = linked()
    with pytest.raises(BadFrame, match="50 parts at most"):
        stream.receive(frames.pack(Frame(Kind.KERNEL, parts=2**32 - 1, body=b"x")))


def test_a_large_body_is_not_copied_while_it_waits():
    stream = Stream("here")
    body = bytes(10_000_000)
    tracemalloc.start()
    stream.send(normal(body))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 100_000
