"""The v1 layout, with jupyter_server's own functions as the oracle."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)

from farcell.remote_runtime.errors import BadFrame
from farcell.remote_runtime.wire import KernelMessage, messages

PARTS = st.binary(max_size=40)
MESSAGES = st.builds(
    KernelMessage,
    channel=st.sampled_from(sorted(messages.CHANNELS)),
    header=PARTS,
    parent_header=PARTS,
    metadata=PARTS,
    content=PARTS,
    buffers=st.lists(PARTS, max_size=5).map(tuple),
)
MESSAGE = KernelMessage(
    "iopub", b'{"msg_id": "1"}', b'{"msg_id": "0"}', b"{}", b'{"text": "hi"}', (b"one", b"")
)


def table(*offsets: int, rest: bytes = b"") -> bytes:
    return b"".join(number.to_bytes(8, "little") for number in (len(offsets), *offsets)) + rest


def parts_of(message: KernelMessage) -> list[bytes]:
    return [
        message.header,
        message.parent_header,
        message.metadata,
        message.content,
        *map(bytes, message.buffers),
    ]


@given(MESSAGES)
def test_pack_is_what_jupyter_server_writes(message):
    assert messages.pack(message) == serialize_msg_to_ws_v1(parts_of(message), message.channel)


@given(MESSAGES)
def test_jupyter_server_reads_what_pack_writes(message):
    assert deserialize_msg_from_ws_v1(messages.pack(message)) == (message.channel, parts_of(message))


@given(MESSAGES, st.sampled_from([bytes, memoryview]))
def test_unpack_gives_back_what_was_packed(message, kind):
    assert messages.unpack(kind(messages.pack(message))) == message


@given(MESSAGES, st.sampled_from([bytes, memoryview]))
def test_check_tells_the_channel(message, kind):
    assert messages.check(kind(messages.pack(message))) == message.channel


def test_unpack_copies_no_buffer():
    data = messages.pack(MESSAGE)
    assert all(buffer.obj is data for buffer in messages.unpack(data).buffers)


def test_a_message_made_of_dicts_has_json_parts():
    at = datetime(2030, 1, 2, tzinfo=UTC)
    message = messages.encode("shell", {"msg_id": "1", "date": at}, content={"code": "é"}, buffers=[b"x"])
    assert messages.header_of(message) == {"msg_id": "1", "date": "2030-01-02T00:00:00Z"}
    assert message.content == '{"code":"é"}'.encode()
    assert (message.parent_header, message.metadata, message.buffers) == (b"{}", b"{}", (b"x",))


@pytest.mark.parametrize(
    "header",
    [b"", b"[]", b"null", b"{", b'{"a": "\xff"}', b'{"a":' * 100_000],
    ids=lambda text: repr(text[:9]),
)
def test_a_header_that_is_no_json_object_is_a_bad_frame(header):
    with pytest.raises(BadFrame, match="no JSON object"):
        messages.header_of(KernelMessage("shell", header))


GOOD = messages.pack(KernelMessage("shell", b"{}"))
CROOKED = {
    "empty": b"",
    "half a count": GOOD[:7],
    "half a table": GOOD[:30],
    "cut": GOOD[:-1],
    "bytes behind the end": GOOD + b"x",
    "no offsets": table(),
    "too few parts": table(48, 53, 55, 57, 59, rest=b"shell{}{}{}"),
    "a gap before the channel": table(57, 62, 64, 66, 68, 70, rest=b"xshell{}{}{}{}"),
    "an offset that goes back": table(56, 61, 63, 62, 67, 69, rest=b"shell{}{}{}{}"),
    "an offset outside": table(56, 61, 63, 65, 67, 2**64 - 1, rest=b"shell{}{}{}{}"),
    "more offsets than bytes": (2**20).to_bytes(8, "little") + GOOD[8:],
    "a count of all ones": b"\xff" * 8 + GOOD[8:],
    "an unknown channel": messages.pack(KernelMessage("hell", b"{}")),
    "an empty channel": messages.pack(KernelMessage("", b"{}")),
    "a channel of megabytes": messages.pack(KernelMessage("shell" * 1_000_000, b"{}")),
    "a channel that is no text": GOOD.replace(b"shell", b"\xff" * 5),
}


@pytest.mark.parametrize("data", CROOKED.values(), ids=CROOKED)
@pytest.mark.parametrize("read", [messages.check, messages.unpack])
def test_a_crooked_message_is_a_bad_frame(data, read):
    with pytest.raises(BadFrame):
        read(data)


@pytest.mark.parametrize("read", [messages.check, messages.unpack])
def test_too_many_buffers_are_refused(read):
    most = KernelMessage("shell", b"{}", buffers=(b"",) * messages.MAX_BUFFERS)
    assert read(messages.pack(most))
    with pytest.raises(BadFrame):
        read(messages.pack(KernelMessage("shell", b"{}", buffers=(b"",) * (messages.MAX_BUFFERS + 1))))


def test_a_table_of_millions_costs_no_memory():
    data = table(*range(8 * 1_000_001, 8 * 1_000_001 + 1_000_000))
    tracemalloc.start()
    with pytest.raises(BadFrame):
        messages.unpack(data)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 100_000


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda rest: GOOD[:8] + rest))
def test_random_bytes_are_read_or_are_a_bad_frame(data):
    try:
        message = messages.unpack(data)
    except BadFrame:
        with pytest.raises(BadFrame):
            messages.check(data)
    else:
        assert messages.pack(message) == data


@given(MESSAGES, st.data())
def test_a_changed_byte_is_read_or_is_a_bad_frame(message, data):
    packed = bytearray(messages.pack(message))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(BadFrame):
        assert messages.pack(messages.unpack(bytes(packed))) == packed
