"""The layout without a subprotocol, with jupyter_server's own functions as the oracle."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    serialize_binary_message,
)

from farcell.remote_runtime.errors import BadFrame
from farcell.remote_runtime.wire import KernelMessage, legacy, messages

KEYS = st.text(max_size=5)
VALUES = st.integers(-(2**53), 2**53) | st.text(max_size=9) | st.booleans() | st.none()
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=3)
BUFFERS = st.lists(st.binary(max_size=20), max_size=4)
MESSAGES = st.fixed_dictionaries(
    {
        "header": OBJECTS.map(lambda header: header | {"msg_id": "1", "msg_type": "comm_msg"}),
        "parent_header": OBJECTS,
        "metadata": OBJECTS,
        "content": OBJECTS,
        "channel": st.sampled_from(sorted(messages.CHANNELS)),
        "buffers": BUFFERS,
    }
)


def decoded(message: KernelMessage) -> dict:
    texts = {name: getattr(message, name) for name in ("header", "parent_header", "metadata", "content")}
    parts = {name: json.loads(text) for name, text in texts.items()}
    return {**parts, "channel": message.channel, "buffers": list(map(bytes, message.buffers))}


def as_written_by_jupyter(message: dict) -> str | bytes:
    return serialize_binary_message(message) if message["buffers"] else json.dumps(message)


@given(MESSAGES)
def test_unpack_reads_what_jupyter_writes(message):
    assert decoded(legacy.unpack(as_written_by_jupyter(message))) == message


@given(MESSAGES)
def test_jupyter_reads_what_pack_writes(message):
    packed = legacy.pack(messages.encode(**message))
    read = json.loads(packed) if isinstance(packed, str) else deserialize_binary_message(packed)
    assert read == message | {"msg_id": "1", "msg_type": "comm_msg"}


def test_pack_has_the_keys_that_jupyter_server_sends():
    session = Session()
    parts = session.serialize(session.msg("stream", {"text": "hi"}))
    _, parts = session.feed_identities(parts)
    theirs = session.deserialize(parts)
    ours = json.loads(legacy.pack(KernelMessage("iopub", *parts[1:5])))
    assert ours.keys() == theirs.keys() | {"channel"}
    assert ours["msg_id"] == theirs["msg_id"]


@given(MESSAGES)
def test_the_parts_keep_their_bytes(message):
    spaced = KernelMessage("shell", b'{ "msg_id" : 1.0 }', content=b' {"a":\t1e2}', buffers=(b"x",))
    read = legacy.unpack(legacy.pack(spaced))
    assert (read.header, read.content.strip()) == (spaced.header, spaced.content.strip())


def test_a_message_without_a_channel_is_for_the_shell():
    assert legacy.unpack('{"header": {}}').channel == "shell"


def test_a_part_that_is_missing_or_null_is_an_empty_object():
    read = legacy.unpack('{"header": {}, "parent_header": null, "content": {"a": 1}}')
    assert (read.parent_header, read.metadata, read.content) == (b"{}", b"{}", b'{"a": 1}')


GOOD = legacy.pack(KernelMessage("shell", b'{"msg_id":"1"}', buffers=(b"one", b"two")))
CROOKED = {
    "empty text": "",
    "no JSON": "{",
    "no object": "[]",
    "no header": "{}",
    "an unknown channel": '{"header": {}, "channel": "hell"}',
    "a channel that is no text": '{"header": {}, "channel": 1}',
    "a lone surrogate": '{"header": {"a": "\ud800"}}',
    "a deep nest": '{"header": ' + "[" * 100_000,
    "empty bytes": b"",
    "half a count": GOOD[:3],
    "half a table": GOOD[:9],
    "no pieces": bytes(4) + GOOD[4:],
    "a count of all ones": b"\xff" * 4 + GOOD[4:],
    "an offset outside": GOOD[:8] + b"\xff" * 4 + GOOD[12:],
    "an offset that goes back": GOOD[:12] + bytes(4) + GOOD[16:],
    "a gap behind the table": GOOD[:4] + (17).to_bytes(4, "big") + GOOD[8:],
    "a channel that is no UTF-8": GOOD.replace(b"shell", b"\xff" * 5),
}


@pytest.mark.parametrize("data", CROOKED.values(), ids=CROOKED)
def test_a_crooked_message_is_a_bad_frame(data):
    with pytest.raises(BadFrame):
        legacy.unpack(data)


@pytest.mark.parametrize("header", [b"{", b"[]", b'{"a": "\xff"}'])
def test_a_message_whose_header_is_no_object_is_not_packed(header):
    with pytest.raises(BadFrame):
        legacy.pack(KernelMessage("shell", header))


def test_a_message_that_is_no_utf8_is_not_packed():
    with pytest.raises(BadFrame):
        legacy.pack(KernelMessage("shell", b"{}", content=b'"\xff"'))


@given(st.text(max_size=100) | st.binary(max_size=100))
def test_random_data_is_read_or_is_a_bad_frame(data):
    with suppress(BadFrame):
        legacy.unpack(data)
