"""What a front end shows where compaction left something out."""

from __future__ import annotations

import pytest

from farcell.remote_runtime.errors import BadRequest
from farcell.remote_runtime.journal import Kind, Record, note_message
from farcell.remote_runtime.journal.left_out import (
    LeftOut,
    StreamText,
    What,
    left_out,
    note_messages,
    sentence,
    size_text,
)
from farcell.remote_runtime.wire import messages

from .samples import header

PARENT = header("the cell", "execute_request")
NOTE = LeftOut(What.STREAM, 12_345, 1_234_567, PARENT)


def test_a_note_is_a_display_under_its_cell():
    shown = note_message(NOTE.record(7))
    assert (shown.channel, messages.decode(shown.parent_header)) == ("iopub", PARENT)
    assert messages.header_of(shown)["msg_type"] == "display_data"
    assert messages.decode(shown.content) == {
        "data": {"text/plain": "… 12,345 lines (1.2 MB) left out here"},
        "metadata": {},
        "transient": {},
    }


def test_a_note_is_the_same_message_however_often_it_is_asked_for():
    assert note_message(NOTE.record(7)) == note_message(NOTE.record(7))
    assert note_message(NOTE.record(7)) != note_message(NOTE.record(8))


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        (LeftOut(What.STREAM, 1, 999), "… 1 line (999 B) left out here"),
        (LeftOut(What.OUTPUTS, 3, 2_000), "… 3 outputs (2.0 kB) left out here"),
        (
            LeftOut(What.EVERYTHING, 2_000, 12 * 10**9),
            "… 2,000 messages (12 GB) of older cells left out here",
        ),
    ],
)
def test_a_note_says_how_much_of_what(note: LeftOut, expected: str):
    assert sentence(note) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9_949, "9.9 kB"), (9_960, "10 kB"), (999_600, "1.0 MB")],
)
def test_sizes_are_short(size: int, expected: str):
    assert size_text(size) == expected


def test_text_on_both_sides_is_shown_around_the_note():
    note = LeftOut(What.STREAM, 5, 50, PARENT, StreamText("stderr", "begin\n"), StreamText("stdout", "end\n"))
    before, between, after = map(messages.header_of, note_messages(note.record(7)))
    assert [shown["msg_type"] for shown in (before, between, after)] == ["stream", "display_data", "stream"]
    assert len({shown["msg_id"] for shown in (before, between, after)}) == 3
    begin, _, end = (messages.decode(shown.content) for shown in note_messages(note.record(7)))
    assert begin == {"name": "stderr", "text": "begin\n"}
    assert end == {"name": "stdout", "text": "end\n"}


def test_a_note_survives_its_record():
    record = NOTE.record(7)
    assert (record.position, record.kind) == (7, Kind.LEFT_OUT)
    assert left_out(memoryview(record.body)) == NOTE


@pytest.mark.parametrize("body", [b"", b"[]", b'{"what": "nothing"}'])
def test_what_is_no_note_is_refused(body: bytes):
    with pytest.raises(BadRequest):
        note_message(Record(1, Kind.LEFT_OUT, body))
