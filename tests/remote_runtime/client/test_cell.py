"""What a cell sends, and its events as its notebook takes them."""

from __future__ import annotations

import pytest
from far_messages import PlayedCell, header
from tellings import ended_lease, lease, session

from farcell.remote_runtime.api import EndReason
from farcell.remote_runtime.client.cell import Began, CellSource, Ended, InputRequest, Progress, new_header
from farcell.remote_runtime.wire.messages import decode, header_of


def test_the_front_ends_header_goes_unchanged():
    front_end = {"msg_id": "a", "msg_type": "execute_request", "session": "s", "username": "ada", "extra": 1}
    request = CellSource("1 + 1", front_end, number=7).request()
    assert header_of(request) == front_end
    assert decode(request.metadata) == {"farcell": {"number": 7}}
    assert decode(request.content) == {
        "code": "1 + 1",
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": True,
        "stop_on_error": True,
    }


def test_a_silent_cell_is_in_no_history():
    content = decode(CellSource("1", header("execute_request"), silent=True).request().content)
    assert (content["silent"], content["store_history"]) == (True, False)


def test_headers_of_our_own_differ_in_everything_but_a_given_session():
    one, other = new_header("s"), new_header("s")
    assert one["session"] == other["session"] == "s"
    assert one["msg_id"] != other["msg_id"]
    assert new_header()["session"] != new_header()["session"]


def test_events_come_in_order_and_then_the_time_runs_out():
    cell = PlayedCell("a")
    cell.put(Progress(session()))
    cell.put(Began(session()))
    assert isinstance(cell.next(), Progress)
    assert isinstance(cell.next(), Began)
    with pytest.raises(TimeoutError):
        cell.next(timeout_s=0)


def test_a_cell_knows_its_session_as_it_was_told_last():
    cell = PlayedCell("a")
    cell.put(Progress(session("one")))
    assert (cell.begun, cell.session.name) == (False, "one")
    cell.put(Began(session("two")))
    cell.put(Ended(None, None, None, 0.0))
    assert (cell.begun, cell.session.name) == (True, "two")


def test_an_answer_belongs_to_the_question_and_to_the_front_ends_session():
    cell = PlayedCell("a")
    cell.answer(InputRequest("? ", password=False, header={"msg_id": "q"}), "42")
    (answer,) = cell.answers
    assert answer.channel == "stdin"
    assert header_of(answer)["msg_type"] == "input_reply"
    assert header_of(answer)["session"] == "far"
    assert decode(answer.parent_header) == {"msg_id": "q"}
    assert decode(answer.content) == {"value": "42"}


@pytest.mark.parametrize(
    ("told", "nanos"),
    [
        (None, 0),
        (session(lease=None), 0),
        (session(lease=lease(price_nanos_per_s=1_000_000)), 1_500_000),
        (session(lease=ended_lease(EndReason.IDLE, price_nanos_per_s=3)), 4),
    ],
)
def test_a_cell_costs_its_time_at_its_leases_price(told, nanos):
    assert Ended(None, None, told, 1.5).cost_nanos == nanos
