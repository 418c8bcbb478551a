"""Requests that a far kernel has: how they are named there, and here."""

from __future__ import annotations

from datetime import UTC, datetime

from farcell.kernel.requests import Relayed, RelayedRequests, as_it_came
from farcell.remote_runtime.client.output import Output
from farcell.remote_runtime.wire.messages import decode

HEADER = {"msg_id": "here", "session": "front end"}


def named(msg_id: object) -> Output:
    data = {"method": "update", "state": {"msg_id": msg_id}, "buffer_paths": []}
    return Output("comm_msg", {"comm_id": "out", "data": data})


def test_an_output_widget_names_the_request_as_the_front_end_knows_it():
    request = Relayed("far", HEADER, is_cell=True)
    assert request.here(named("far")) == named("here")


def test_other_names_and_other_messages_stay_as_they_are():
    request = Relayed("far", HEADER, is_cell=True)
    for output in (
        named("another"),
        named(""),
        Output("comm_msg", {"comm_id": "raw", "data": "far"}),
        Output("comm_msg", {"comm_id": "raw", "data": {"state": ["far"]}}),
        Output("stream", {"text": "far"}),
    ):
        assert request.here(output) is output


def test_the_newest_requests_are_known():
    requests = RelayedRequests()
    for number in range(1001):
        requests.remember(str(number), HEADER, is_cell=True)
    assert requests.find("0") is None
    assert requests.find("1") is not None
    assert requests.find(None) is None


def test_a_decoded_message_goes_on_as_it_came():
    message = {
        "header": HEADER | {"date": datetime(2026, 1, 1, tzinfo=UTC), "msg_type": "comm_msg"},
        "parent_header": {},
        "metadata": {"version": "2.1.0"},
        "content": {"comm_id": "1", "data": {"text": "schön"}},
        "buffers": [memoryview(b"abc")],
    }
    sent = as_it_came(message)
    assert decode(sent.header) == HEADER | {"date": "2026-01-01T00:00:00Z", "msg_type": "comm_msg"}
    assert decode(sent.metadata) == message["metadata"]
    assert decode(sent.content) == message["content"]
    assert sent.buffers == (b"abc",)
