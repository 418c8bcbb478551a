"""What stays of a journal that has become too long, and what its notes say."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.journal import Kind, Policy, Record
from farcell.remote_runtime.journal.entries import Role, look_at
from farcell.remote_runtime.journal.left_out import StreamText, What, left_out, note_messages
from farcell.remote_runtime.journal.policy import compact, drop, is_dropped
from farcell.remote_runtime.wire import messages

from .samples import (
    Body,
    accepted,
    display,
    error,
    kernel_messages,
    message,
    notes,
    numbered,
    question,
    reply,
    status,
    stream,
    update,
    widget_state,
)

POLICY = Policy(stream_chars=20, outputs_share=0.25, large_bytes=700)
ALL_OUTPUTS = Policy(stream_chars=20, outputs_share=1)


def shown_text(records: list[Record], cell: str) -> str:
    """The text of a cell as a front end gets it; gaps as ``…``."""
    text = ""
    for record in records:
        entry = look_at(record)
        if entry.cell != cell:
            continue
        if entry.piece:
            text += entry.piece.text
        elif entry.note and entry.note.what is What.STREAM:
            contents = [messages.decode(shown.content) for shown in note_messages(record)]
            text += "".join(content.get("text", "…") for content in contents)
    return text


def lines(first: int, last: int) -> str:
    return "".join(f"{number:03}\n" for number in range(first, last))


def test_what_is_kept_always():
    records = numbered(
        [
            accepted("a"),
            status("a", "busy"),
            message("execute_input", "a", {"code": "1/0", "execution_count": 1}),
            message("clear_output", "a", {"wait": True}),
            question("a"),
            error("a"),
            reply("a"),
            status("a", "idle"),
            (Kind.MESSAGE, b"what is this?"),
            message("status", "", {"execution_state": "restarting"}, request=""),
        ]
    )
    assert compact([], records, Policy(0, 0, 0)) == records
    assert compact(records, [], Policy(0, 0, 0)) == records


def test_busy_and_idle_of_other_requests_go_silently():
    records = numbered([status("k", "busy", "kernel_info_request"), status("k", "idle", "comm_msg")])
    assert compact([], records, ALL_OUTPUTS) == []


def test_only_the_newest_update_of_a_display_stays():
    records = numbered(
        [display("a", "-"), update("a", "1", "x"), update("a", "2", "y"), update("b", "3", "x")]
    )
    assert [record.position for record in compact(records[:2], records[2:], ALL_OUTPUTS)] == [1, 3, 4]


def test_only_the_newest_state_of_a_widget_stays():
    states = [
        widget_state("a", "w", value=1),
        widget_state("a", "w", value=1, max=9),
        widget_state("a", "v", value=1),
        widget_state("a", "w", value=2),
        message("comm_msg", "a", {"comm_id": "w", "data": {"method": "custom", "content": {}}}),
    ]
    assert [record.position for record in compact([], numbered(states), ALL_OUTPUTS)] == [2, 3, 4, 5]


def test_short_streams_stay_as_they_are():
    records = numbered([stream("a", "x" * 20), stream("b", "y" * 39 + "\n"), stream("a", "x" * 20)])
    assert compact([], records, POLICY) == records


def test_of_a_long_stream_head_and_tail_stay():
    records = numbered(stream("a", lines(number, number + 1)) for number in range(100))
    kept = compact([], records, POLICY)
    assert shown_text(kept, "a") == lines(0, 5) + "…" + lines(95, 100)
    (note,) = notes(kept)
    assert (note.what, note.count, note.size_bytes) == (What.STREAM, 90, 360)
    assert note.parent["msg_id"] == "a"


def test_one_long_message_is_cut_on_both_sides():
    records = numbered([stream("a", lines(0, 100), "stderr")])
    (record,) = compact([], records, POLICY)
    note = left_out(record.body)
    assert record.position == 1
    assert (note.head, note.tail) == (StreamText("stderr", lines(0, 5)), StreamText("stderr", lines(96, 100)))
    assert note.count == 91


def test_a_stream_that_goes_on_keeps_its_head_and_moves_its_tail():
    kept: list[Record] = []
    for begin in range(0, 100, 10):
        newer = numbered([stream("a", lines(begin * 10, begin * 10 + 100)), display("a", "-")], begin + 1)
        kept = compact(kept, newer, ALL_OUTPUTS)
    assert shown_text(kept, "a") == lines(0, 5) + "…" + lines(996, 1000)
    assert [note.count for note in notes(kept)] == [991]


def test_the_newest_outputs_that_fit_stay_and_large_ones_go_first():
    bodies = [display("a", "small"), display("a", "L" * 800), display("b", "L" * 800), display("a", "small")]
    records = numbered(bodies)

    def kinds(share: float) -> dict[int, Kind]:
        kept = compact([], records, Policy(outputs_share=share, large_bytes=1000))
        return {record.position: record.kind for record in kept}

    stays, note = Kind.MESSAGE, Kind.LEFT_OUT
    assert kinds(1.0) == {1: stays, 2: stays, 3: stays, 4: stays}
    assert kinds(0.8) == {1: stays, 2: note, 3: stays, 4: stays}
    assert kinds(0.4) == {1: stays, 2: note, 3: note, 4: stays}
    assert kinds(0.2) == {2: note, 3: note, 4: stays}
    assert kinds(0.0) == {3: note, 4: note}


def test_a_note_counts_the_outputs_of_its_cell():
    records = numbered([display("a", "x"), display("b", "xx"), display("a", "xxx")])
    a, b = sorted(notes(compact([], records, Policy(outputs_share=0))), key=lambda note: -note.count)
    assert (a.what, a.count, a.parent["msg_id"]) == (What.OUTPUTS, 2, "a")
    assert a.size_bytes == len(records[0].body) + len(records[2].body)
    assert (b.count, b.size_bytes, b.parent["msg_id"]) == (1, len(records[1].body), "b")


def test_outputs_that_were_kept_once_are_not_weighed_again():
    older = compact([], numbered([display("a", str(number)) for number in range(100)]), POLICY)
    newer = numbered([display("a", str(number)) for number in range(100)], 101)
    kept = compact(older, newer, POLICY)
    positions = {record.position for record in kept if record.kind is Kind.MESSAGE}
    assert {record.position for record in older if record.kind is Kind.MESSAGE} <= positions
    (note,) = notes(kept)
    assert note.count == 200 - len(positions)


def test_dropping_keeps_the_newest_answers_and_counts_the_rest():
    bodies = [
        body for number in range(100) for body in (accepted(f"{number:03}"), stream("", "x\n"), reply("r"))
    ]
    records = numbered(bodies)
    kept = drop(records, 2000)
    assert is_dropped(kept)
    assert not is_dropped(records)
    (note,) = notes(kept)
    answers = [record for record in kept if record.kind is not Kind.LEFT_OUT]
    assert answers == [record for record in records if record.position % 3 != 2][-len(answers) :]
    assert sum(len(record.body) for record in answers) <= 2000
    assert note.count + len(answers) == 300
    again = drop([*kept, *numbered(bodies, 301)], 2000)
    assert [note.count for note in notes(again)] == [600 - len(answers)]


def test_dropping_counts_what_notes_had_counted():
    kept = compact([], numbered([display("a", "L" * 900), display("a", "L" * 900)]), POLICY)
    (note,) = notes(drop(kept, 0))
    assert (note.what, note.count, note.size_bytes) == (What.EVERYTHING, 2, notes(kept)[0].size_bytes)
    assert note.parent == {}


TEXT = st.text(alphabet="ab\n", max_size=60)
CELLS = st.sampled_from(["a", "b", "c"])
BODIES = st.one_of(
    st.builds(stream, CELLS, TEXT),
    st.builds(stream, CELLS, TEXT, st.just("stderr")),
    st.builds(display, CELLS, TEXT),
    st.builds(reply, CELLS),
    st.builds(accepted, CELLS),
    st.builds(status, CELLS, st.sampled_from(["busy", "idle"])),
)
POLICIES = st.builds(Policy, st.integers(0, 60), st.sampled_from([0, 0.1, 0.5]), st.sampled_from([0, 500]))


@given(st.lists(st.lists(BODIES, max_size=12), max_size=5), POLICIES)
def test_nothing_goes_uncounted(parts: list[list[Body]], policy: Policy):
    """However often a journal is compacted: what stays, and what notes count, is what was written."""
    written: list[Record] = []
    kept: list[Record] = []
    for part in parts:
        newer = numbered(part, len(written) + 1)
        written += newer
        kept = compact(kept, newer, policy)
    positions = [record.position for record in kept]
    assert positions == sorted(set(positions))
    assert {record.position for record in kept} <= {record.position for record in written}
    assert [record for record in written if look_at(record).role is Role.KEPT] == [
        record for record in kept if look_at(record).role is Role.KEPT
    ]
    assert totals(kept) == totals(written)
    for cell in "abc":
        is_cut(shown_text(kept, cell), shown_text(written, cell))


def totals(records: list[Record]) -> dict[tuple[str, What], tuple[int, int]]:
    """By cell: lines and characters of its streams, number and bytes of its outputs; shown and counted."""
    result: dict[tuple[str, What], tuple[int, int]] = defaultdict(lambda: (0, 0))

    def add(cell: str, what: What, count: int, size: int) -> None:
        if size:
            result[cell, what] = (result[cell, what][0] + count, result[cell, what][1] + size)

    for entry in map(look_at, records):
        if entry.note:
            add(entry.cell, entry.note.what, entry.note.count, entry.note.size_bytes)
        if entry.role is Role.OUTPUT:
            add(entry.cell, What.OUTPUTS, 1, len(entry.record.body))
        for piece in (entry.piece, entry.note and entry.note.head, entry.note and entry.note.tail):
            if piece:
                add(entry.cell, What.STREAM, piece.text.count("\n"), len(piece.text))
    return dict(result)


def is_cut(shown: str, whole: str) -> None:
    head, gap, tail = shown.partition("…")
    assert "…" not in tail
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert gap or shown == whole


def test_a_cut_message_keeps_its_own_header():
    records = numbered([stream("a", lines(0, 50)), stream("a", lines(50, 100))])
    kept = compact([], records, POLICY)
    (cut,) = kernel_messages(kept)
    (whole, _) = kernel_messages(records)
    assert (cut.header, cut.parent_header) == (whole.header, whole.parent_header)
