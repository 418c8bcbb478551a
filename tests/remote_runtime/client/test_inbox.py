"""A session's messages, sorted by the cells that wait for them, in whatever order the kernel's sockets are read."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import permutations
from typing import Any

import pytest
from far_messages import PlayedCell, about, header, question, reply, restarting, status, stream
from hypothesis import given
from hypothesis import strategies as st
from tellings import session

from farcell.remote_runtime.client.cell import Began, InputRequest, LinkDown, LinkUp
from farcell.remote_runtime.client.inbox import CellInbox
from farcell.remote_runtime.client.output import Output
from farcell.remote_runtime.errors import BadFrame, OutcomeUnknown
from farcell.remote_runtime.wire import messages
from farcell.remote_runtime.wire.messages import KernelMessage


class Strays:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def __call__(self, _message: KernelMessage, header: dict[str, Any], parent: dict[str, Any]) -> None:
        self.seen.append((header["msg_type"], parent.get("msg_id", "")))


@pytest.fixture
def strays() -> Strays:
    return Strays()


@pytest.fixture
def inbox(strays: Strays) -> CellInbox:
    return CellInbox(session(), strays)


def texts(cell: PlayedCell) -> list[str]:
    return [event.content["text"] for event in cell.events() if isinstance(event, Output)]


async def test_a_cell_is_over_with_its_reply_and_its_idle_in_either_order(inbox):
    for last in permutations([reply("a"), status("a", "idle")]):
        with inbox.waiting(PlayedCell("a"), None) as waiting:
            inbox.received(status("a", "busy"))
            inbox.received(last[0])
            assert not waiting.end.done()
            inbox.received(last[1])
            assert waiting.end.result().reply == {"status": "ok"}


async def test_a_cell_begins_once_and_says_why_its_variables_are_gone(inbox):
    cell = PlayedCell("a")
    with inbox.waiting(cell, "it was stopped"):
        inbox.received(status("a", "busy"))
        inbox.received(status("a", "busy"))
        assert cell.events() == [Began(inbox.session, "it was stopped")]
        assert cell.begun


async def test_outputs_come_whole_and_the_input_echo_does_not(inbox):
    cell = PlayedCell("a")
    shown = about("a", "display_data", {"data": {"text/plain": "x"}})
    with_buffers = KernelMessage(
        shown.channel, shown.header, shown.parent_header, b'{"m": 1}', shown.content, (b"raw",)
    )
    with inbox.waiting(cell, None):
        inbox.received(about("a", "execute_input", {"code": "1"}))
        inbox.received(with_buffers)
        assert cell.events() == [Output("display_data", {"data": {"text/plain": "x"}}, {"m": 1}, (b"raw",))]


async def test_a_question_keeps_its_header_for_the_answer(inbox):
    cell = PlayedCell("a")
    with inbox.waiting(cell, None):
        inbox.received(question("a", "name? ", password=True))
        (asked,) = cell.events()
        assert isinstance(asked, InputRequest)
        assert (asked.prompt, asked.password, asked.header["msg_type"]) == ("name? ", True, "input_request")


async def test_each_cell_gets_its_own(inbox):
    a, b = PlayedCell("a"), PlayedCell("b")
    with inbox.waiting(a, None), inbox.waiting(b, None):
        for text, cell in (("1", "a"), ("2", "b"), ("3", "a")):
            inbox.received(stream(cell, text))
        assert (texts(a), texts(b)) == (["1", "3"], ["2"])


async def test_what_comes_under_no_waiting_cell_is_a_stray(inbox, strays):
    inbox.received(stream("gone", "late"))
    assert strays.seen == [("stream", "gone")]


async def test_answers_to_others_and_what_has_no_parent_are_stray_too(inbox, strays):
    inbox.received(reply("another"))
    inbox.received(question("another"))
    inbox.received(status("another", "busy"))
    inbox.received(about(None, "comm_open"))
    told = [
        ("execute_reply", "another"),
        ("input_request", "another"),
        ("status", "another"),
        ("comm_open", ""),
    ]
    assert strays.seen == told


async def test_a_request_that_is_no_cell_is_out_until_the_kernel_is_idle_after_it(inbox):
    asked = messages.encode("shell", header("complete_request", "tab"))
    inbox.asked(asked)
    for seen in (
        status("tab", "busy"),
        about("tab", "complete_reply", channel="shell"),
        status("other", "idle"),
    ):
        inbox.received(seen)
        assert inbox.unheard() == [asked]
    inbox.received(status("tab", "idle"))
    assert inbox.unheard() == []


async def test_a_kernel_that_is_replaced_ends_every_cell_that_waits(inbox):
    with inbox.waiting(PlayedCell("a"), None) as a, inbox.waiting(PlayedCell("b"), None) as b:
        inbox.received(status("a", "busy"))
        inbox.received(restarting("exit code 3"))
        for waiting in (a, b):
            with pytest.raises(OutcomeUnknown, match=r"died \(exit code 3\)"):
                waiting.end.result()


async def test_a_cell_that_is_over_stays_so_when_the_kernel_is_replaced(inbox):
    with inbox.waiting(PlayedCell("a"), None) as waiting:
        inbox.received(reply("a"))
        inbox.received(status("a", "idle"))
        inbox.received(restarting("restarted"))
        assert waiting.end.result().reply == {"status": "ok"}


async def test_a_kernel_that_starts_or_rests_ends_nothing(inbox):
    with inbox.waiting(PlayedCell("a"), None) as waiting:
        inbox.received(status(None, "starting"))
        inbox.received(status(None, "idle"))
        assert not waiting.end.done()


async def test_the_end_of_everything_ends_cells_without_a_reply(inbox):
    with inbox.waiting(PlayedCell("a"), None) as waiting:
        inbox.end()
        inbox.end()
        assert waiting.end.result() is None


async def test_every_waiting_cell_hears_of_the_link(inbox):
    cell = PlayedCell("a")
    inbox.link_changed(up=False)
    with inbox.waiting(cell, None):
        inbox.link_changed(up=False)
        inbox.link_changed(up=True)
    assert cell.events() == [LinkDown(), LinkUp()]


async def test_nobody_waits_when_the_cell_is_over(inbox):
    with inbox.waiting(PlayedCell("a"), None):
        assert inbox
    assert not inbox


@pytest.mark.parametrize(
    "sign",
    [status("a", "busy"), stream("a", "x"), question("a"), reply("a")],
    ids=["busy", "x", "?", "reply"],
)
async def test_any_word_of_a_cell_says_that_it_arrived(inbox, sign):
    with inbox.waiting(PlayedCell("a"), None):
        assert len(inbox.unheard()) == 1
        inbox.received(sign)
        assert inbox.unheard() == []


async def test_a_cell_that_has_ended_is_not_sent_again(inbox):
    with inbox.waiting(PlayedCell("a"), None):
        inbox.received(restarting("restarted"))
        assert inbox.unheard() == []


async def test_a_journal_is_read_from_where_the_oldest_unheard_cell_may_be(inbox):
    with inbox.waiting(PlayedCell("a"), None, after=5), inbox.waiting(PlayedCell("b"), None, after=9):
        assert inbox.unaccepted_since(20) == 5
        inbox.accepted("a")
        inbox.accepted("a stranger")
        assert inbox.unaccepted_since(20) == 9
        inbox.received(status("b", "busy"))
        assert inbox.unaccepted_since(20) == 20


@pytest.mark.parametrize("broken", [KernelMessage("iopub", b"{"), KernelMessage("iopub", b"{}", b"[]")])
async def test_a_message_that_cannot_be_read_is_a_bad_frame(inbox, broken):
    with pytest.raises(BadFrame):
        inbox.received(broken)


async def test_cells_of_another_kernel_show_their_output_under_the_one_that_waits(inbox, strays):
    inbox.adopt(["old"])
    inbox.received(stream("old", "before"))
    cell = PlayedCell("a")
    with inbox.waiting(cell, None):
        inbox.received(stream("old", "meanwhile"))
        inbox.received(status("old", "idle"))
    assert texts(cell) == ["before", "meanwhile"]
    assert strays.seen == []


@st.composite
def interleavings(draw: st.DrawFn) -> tuple[list[KernelMessage], dict[str, list[str]]]:
    """Messages of three cells, each cell's IOPub in its order, its reply anywhere after its beginning."""
    expected: dict[str, list[str]] = {}
    queues: list[list[KernelMessage]] = []
    for cell in ("a", "b", "c"):
        expected[cell] = draw(st.lists(st.text(max_size=3), max_size=4))
        iopub = [status(cell, "busy"), *(stream(cell, text) for text in expected[cell]), status(cell, "idle")]
        iopub.insert(draw(st.integers(1, len(iopub))), reply(cell))
        queues.append(iopub)
    merged = []
    while any(queues):
        merged.append(draw(st.sampled_from([queue for queue in queues if queue])).pop(0))
    return merged, expected


@given(interleavings())
async def test_however_cells_mix_each_has_all_of_its_output_in_order_before_its_end(mixed):
    merged, expected = mixed
    strays = Strays()
    inbox = CellInbox(session(), strays)
    cells = {execute_id: PlayedCell(execute_id) for execute_id in expected}
    with ExitStack() as stack:
        waiting = [stack.enter_context(inbox.waiting(cell, None)) for cell in cells.values()]
        for message in merged:
            inbox.received(message)
        assert all(one.end.result() is not None for one in waiting)
    assert {execute_id: texts(cell) for execute_id, cell in cells.items()} == expected
    assert strays.seen == []
