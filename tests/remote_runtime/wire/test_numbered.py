"""A kernel message with its place in the journal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.errors import BadFrame
from farcell.remote_runtime.wire import numbered

POSITIONS = st.integers(0, 2**64 - 1)


@given(POSITIONS, POSITIONS, st.binary(max_size=50), st.sampled_from([bytes, memoryview]))
def test_what_is_packed_is_unpacked(previous, position, message, kind):
    packed = numbered.pack(previous, position, kind(message))
    assert numbered.unpack(kind(packed)) == (previous, position, message)


def test_the_bytes_are_these():
    assert numbered.pack(1, 2, b"message") == b"\x01" + bytes(7) + b"\x02" + bytes(7) + b"message"


def test_the_message_is_not_copied():
    packed = numbered.pack(1, 2, b"message")
    assert numbered.unpack(packed).message.obj is packed


@given(st.binary(max_size=15))
def test_what_is_too_short_is_a_bad_frame(data):
    with pytest.raises(BadFrame, match="16 bytes"):
        numbered.unpack(data)
