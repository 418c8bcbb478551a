"""Events and journals, cut at every byte."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.client.streams import EventParser, RecordParser
from farcell.remote_runtime.errors import BadRequest
from farcell.remote_runtime.journal import Kind, Record
from farcell.remote_runtime.journal.format import pack, size_of_first

EVENTS = (
    b": a comment\n\n"
    b'event: session\ndata: {"name": "\xc3\xa9"}\n\n'
    b"data: without a name\n\n"
    b"event: beat\n\n"
    b"event:tight\ndata:1\n\n"
)
HEARD = [("session", {"name": "é"}), ("beat", None), ("tight", 1)]
RECORDS = [
    Record(1, Kind.ACCEPTED, b"a", 1),
    Record(2, Kind.MESSAGE, b"x" * 100),
    Record(7, Kind.MESSAGE, b"", 3),
]
JOURNAL = b"".join(map(pack, RECORDS))


def heard(*pieces: bytes) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    parser = EventParser(lambda kind, body: found.append((kind, body)))
    for piece in pieces:
        parser.feed(piece)
    return found


def read(*pieces: bytes) -> list[Record]:
    parser = RecordParser()
    for piece in pieces:
        parser.feed(piece)
    return [record._replace(body=bytes(record.body)) for record in parser.records]


def test_events_may_be_cut_anywhere():
    for cut in range(len(EVENTS) + 1):
        assert heard(EVENTS[:cut], EVENTS[cut:]) == HEARD


def test_events_may_come_byte_by_byte():
    assert heard(*(EVENTS[i : i + 1] for i in range(len(EVENTS)))) == HEARD


def test_an_event_that_is_not_whole_is_not_heard():
    assert heard(b"event: session\ndata: {}\n") == []


def test_an_event_that_is_no_json_is_refused():
    with pytest.raises(BadRequest):
        heard(b"event: session\ndata: {\n\n")


def test_records_may_be_cut_anywhere():
    for cut in range(len(JOURNAL) + 1):
        assert read(JOURNAL[:cut], JOURNAL[cut:]) == RECORDS


@given(st.lists(st.integers(0, len(JOURNAL)), max_size=8).map(sorted))
def test_records_may_come_in_any_pieces(cuts):
    edges = [0, *cuts, len(JOURNAL)]
    assert read(*(JOURNAL[a:b] for a, b in pairwise(edges))) == RECORDS


def test_a_record_that_is_not_whole_is_not_there_yet():
    assert read(JOURNAL[:-1]) == RECORDS[:-1]


def test_a_head_tells_how_long_its_record_is():
    packed = pack(RECORDS[1])
    assert size_of_first(packed) == len(packed)
    assert size_of_first(packed[:25]) == len(packed)
    assert size_of_first(b"") <= len(pack(RECORDS[2]))


def test_a_long_record_in_many_pieces_is_joined_once(monkeypatch):
    """Else a display of 100 MB would be copied for each of its pieces."""
    joined: list[int] = []
    as_before = RecordParser._read

    def counting(self: RecordParser, data: bytes) -> None:
        joined.append(len(data))
        as_before(self, data)

    monkeypatch.setattr(RecordParser, "_read", counting)
    data = pack(Record(1, Kind.MESSAGE, b"x" * 100_000))
    assert len(read(*(data[i : i + 100] for i in range(0, len(data), 100)))) == 1
    assert len(joined) == 2
