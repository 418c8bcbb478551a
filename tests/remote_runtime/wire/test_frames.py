from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.errors import BadFrame
from farcell.remote_runtime.wire import Kind, Priority, frames
from farcell.remote_runtime.wire.frames import HEAD_BYTES, MAX_PART_BYTES, Frame

U32 = st.integers(0, 2**32 - 1)
FRAMES = st.builds(
    lambda kind, priority, client, seq, parts, body: Frame(
        kind, priority, client, seq, min(parts), max(parts) + 1, b"" if kind is Kind.ACK else body
    ),
    kind=st.sampled_from(Kind),
    priority=st.sampled_from(Priority),
    client=U32,
    seq=st.integers(1, 2**64 - 1),
    parts=st.tuples(st.integers(0, 2**32 - 2), st.integers(0, 2**32 - 2)),
    body=st.binary(max_size=50),
)
GOOD = frames.pack(Frame(Kind.CONTROL, body=b"{}"))


@given(FRAMES, st.sampled_from([bytes, memoryview]))
def test_unpack_gives_back_what_was_packed(frame, kind):
    assert frames.unpack(kind(frames.pack(frame))) == frame


def test_unpack_copies_no_body():
    assert frames.unpack(GOOD).body.obj is GOOD


def test_a_part_may_have_its_longest_body():
    frame = Frame(Kind.KERNEL, body=bytes(MAX_PART_BYTES))
    assert frames.unpack(frames.pack(frame)) == frame


def test_the_head_is_small_beside_a_message_of_200_bytes():
    assert HEAD_BYTES == 25


CROOKED = {
    "empty": b"",
    "half a head": GOOD[: HEAD_BYTES - 1],
    "other magic": b"XX" + GOOD[2:],
    "another version": GOOD[:2] + b"\x02" + GOOD[3:],
    "an unknown kind": GOOD[:3] + b"\x09" + GOOD[4:],
    "an unknown priority": GOOD[:4] + b"\x02" + GOOD[5:],
    "no number": frames.pack(Frame(Kind.KERNEL, seq=0)),
    "a part behind the last": frames.pack(Frame(Kind.KERNEL, part=2, parts=2)),
    "no parts": frames.pack(Frame(Kind.KERNEL, parts=0)),
    "an acknowledgement with a body": frames.pack(Frame(Kind.ACK, body=b"x")),
    "a body that is too long": frames.pack(Frame(Kind.KERNEL, body=bytes(MAX_PART_BYTES + 1))),
}


@pytest.mark.parametrize("data", CROOKED.values(), ids=CROOKED)
def test_a_crooked_frame_is_a_bad_frame(data):
    with pytest.raises(BadFrame):
        frames.unpack(data)


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda rest: GOOD[:5] + rest))
def test_random_bytes_are_read_or_are_a_bad_frame(data):
    try:
        frame = frames.unpack(data)
    except BadFrame:
        return
    assert frames.pack(frame) == data
