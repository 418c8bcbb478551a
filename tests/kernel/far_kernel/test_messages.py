"""A front end's messages: read as far as needed, refused where nobody with the key has signed them."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.kernel.far_kernel.messages import DELIMITER, on_main_shell, read, write
from farcell.remote_runtime.errors import BadFrame
from farcell.remote_runtime.wire.messages import KernelMessage

HEADER = json.dumps({"msg_id": "one", "msg_type": "comm_msg", "subshell_id": "s", "new": 1}).encode()


def sign(parts: list[bytes]) -> bytes:
    digest = hmac.new(b"key", digestmod=hashlib.sha256)
    for part in parts:
        digest.update(part)
    return digest.hexdigest().encode()


def parts_of(header: bytes = HEADER, *buffers: bytes) -> list[bytes]:
    body = [header, b"{}", b'{"m": 1}', b'{"c": 2}']
    return [b"ident", b"another", DELIMITER, sign(body), *body, *buffers]


def test_a_message_passes_unchanged_both_ways():
    parts = parts_of(HEADER, b"\0\1", b"")
    request = read("shell", parts, parts, sign)
    assert (request.msg_id, request.msg_type, request.subshell_id) == ("one", "comm_msg", "s")
    assert request.idents == (b"ident", b"another")
    assert request.message == KernelMessage("shell", HEADER, b"{}", b'{"m": 1}', b'{"c": 2}', (b"\0\1", b""))
    assert write(request.idents, request.message, sign) == parts


def test_a_message_for_the_main_shell_names_no_subshell_and_is_the_same_else():
    parts = parts_of(HEADER, b"\0\1")
    message = read("shell", parts, parts, sign).message
    moved = on_main_shell(message)
    assert json.loads(moved.header) == {"msg_id": "one", "msg_type": "comm_msg", "new": 1}
    assert replace(moved, header=HEADER) == message


@pytest.mark.parametrize("changed", range(4, 8))
def test_a_changed_part_is_refused(changed: int):
    parts = parts_of()
    parts[changed] = parts[changed].replace(b"{", b"{ ")
    with pytest.raises(BadFrame):
        read("shell", parts, parts, sign)


@given(st.lists(st.binary(max_size=20) | st.just(DELIMITER), max_size=9))
def test_garbage_is_refused(parts: list[bytes]):
    with pytest.raises(BadFrame):
        read("shell", parts, parts, sign)


@pytest.mark.parametrize("header", [b"", b"[]", b'{"msg_id": 1}', b"\xff", b'"text"'])
def test_a_header_that_is_none_is_refused_also_when_it_is_signed(header: bytes):
    parts = parts_of(header)
    with pytest.raises(BadFrame):
        read("shell", parts, parts, sign)
