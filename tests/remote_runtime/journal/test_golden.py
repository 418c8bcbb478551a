"""The format that other versions read and go on with: a change of these bytes is a new version of the format."""

from __future__ import annotations

from pathlib import Path

import pytest

from farcell.remote_runtime.journal import JournalReader, JournalWriter, Kind, Record
from farcell.remote_runtime.journal.folder import segment_path
from farcell.remote_runtime.journal.format import Header, pack, pack_header
from farcell.remote_runtime.journal.left_out import LeftOut, StreamText, What

from .samples import copied

GOLDEN = Path(__file__).parents[2] / "golden" / "journal"
NOTE = LeftOut(
    What.STREAM,
    12_345,
    1_234_567,
    {"msg_id": "1", "msg_type": "execute_request"},
    tail=StreamText("stdout", "end\n"),
)
SEGMENTS = {
    "segment-1-exact": (
        Header(),
        [
            Record(1, Kind.ACCEPTED, b"1", 7),
            Record(2, Kind.MESSAGE, b"a message in the v1 layout"),
            Record(3, Kind.MESSAGE, b"a reply", 7),
        ],
    ),
    "segment-1-compacted": (
        Header(generation=2, covers=300),
        [Record(1, Kind.ACCEPTED, b"1", 7), NOTE.record(258), Record(300, Kind.MESSAGE, b"a reply", 7)],
    ),
}


def golden(name: str) -> bytes:
    lines = (GOLDEN / f"{name}.hex").read_text().splitlines()
    return bytes.fromhex("".join(line.partition("#")[0] for line in lines))


@pytest.mark.parametrize("name", SEGMENTS)
def test_segments_are_of_version_1(name, tmp_path):
    header, records = SEGMENTS[name]
    assert pack_header(header) + b"".join(map(pack, records)) == golden(name)
    segment_path(tmp_path, 1).write_bytes(golden(name))
    assert copied(JournalReader(tmp_path).read()) == records


def test_a_writer_makes_the_golden_segment(tmp_path):
    writer = JournalWriter(tmp_path)
    for record in SEGMENTS["segment-1-exact"][1]:
        writer.append(record.kind, record.body, record.client)
    writer.close()
    assert segment_path(tmp_path, 1).read_bytes() == golden("segment-1-exact")


@pytest.mark.parametrize(("name", "following"), [("segment-1-exact", 4), ("segment-1-compacted", 301)])
def test_a_writer_goes_on_with_the_golden_segment(tmp_path, name, following):
    segment_path(tmp_path, 1).write_bytes(golden(name))
    writer = JournalWriter(tmp_path)
    assert writer.append(Kind.MESSAGE, b"more") == following
    writer.close()


def test_every_golden_file_is_read():
    assert {path.stem for path in GOLDEN.glob("*.hex")} == {*SEGMENTS}
