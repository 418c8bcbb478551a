"""One writer, readers that follow it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from farcell.remote_runtime.errors import BadRequest, IncompatibleVersion
from farcell.remote_runtime.journal import JournalReader, JournalWriter, Kind, Record
from farcell.remote_runtime.journal.folder import first_positions, segment_path
from farcell.remote_runtime.journal.format import HEADER_BYTES, Header, pack, pack_header, packed_size


def copied(record: Record) -> Record:
    return record._replace(body=bytes(record.body))


def read(reader: JournalReader, after: int = 0) -> list[Record]:
    return [copied(record) for record in reader.read(after)]


@pytest.fixture
def writer(tmp_path: Path):
    writer = JournalWriter(tmp_path, segment_bytes=200)
    yield writer
    writer.close()


@pytest.fixture
def reader(tmp_path: Path) -> JournalReader:
    return JournalReader(tmp_path)


def fill(writer: JournalWriter, count: int) -> list[Record]:
    bodies = [b"body %d" % number for number in range(count)]
    return [Record(writer.append(Kind.MESSAGE, body, 3), Kind.MESSAGE, body, 3) for body in bodies]


def test_what_is_appended_is_read(writer, reader):
    assert writer.append(Kind.MESSAGE, b"hello", 7) == 1
    assert writer.append(Kind.ACCEPTED, memoryview(b"id")) == writer.position == 2
    assert read(reader) == [Record(1, Kind.MESSAGE, b"hello", 7), Record(2, Kind.ACCEPTED, b"id", 0)]


def test_nothing_is_read_where_there_is_no_folder(tmp_path):
    reader = JournalReader(tmp_path / "none")
    assert read(reader) == []
    assert reader.size_bytes() == 0
    assert reader.find(1) is None


@pytest.mark.parametrize("after", [0, 1, 7, 8, 29, 30, 31])
def test_reading_begins_after_any_position(writer, reader, after):
    written = fill(writer, 30)
    assert read(reader, after) == written[after:]


def test_segments_are_named_by_their_first_position(writer, tmp_path):
    rotations = []
    writer._rotated = lambda: rotations.append(writer.position)
    fill(writer, 30)
    assert first_positions(tmp_path) == [1, *(position + 1 for position in rotations)]
    assert all(segment_path(tmp_path, first).stat().st_size < 250 for first in first_positions(tmp_path))


def test_a_reader_follows(writer, reader):
    after = 0
    for _ in range(50):
        written = fill(writer, 1)
        assert read(reader, after) == written
        after = written[-1].position
        assert read(reader, after) == []


def test_a_reader_that_stops_in_the_middle_goes_on_there(writer, reader):
    written = fill(writer, 30)
    first = [copied(record) for record, _ in zip(reader.read(0), range(12), strict=False)]
    assert first == written[:12]
    assert read(reader, first[-1].position) == written[12:]
    assert read(reader, 3) == written[3:]


def test_a_reader_that_goes_on_does_not_look_at_what_it_gave(writer, reader, tmp_path):
    fill(writer, 3)
    read(reader)
    path = segment_path(tmp_path, 1)
    damaged = bytearray(path.read_bytes())
    damaged[HEADER_BYTES + 10] ^= 1
    path.write_bytes(damaged)
    assert [record.position for record in fill(writer, 1)] == [record.position for record in read(reader, 3)]


def test_a_record_is_found_by_its_position(writer, reader):
    written = fill(writer, 30)
    assert [reader.find(position) for position in (0, 1, 17, 30, 31)] == [
        None,
        written[0],
        written[16],
        written[29],
        None,
    ]


def test_finding_does_not_disturb_following(writer, reader):
    written = fill(writer, 30)
    following = reader.read(0)
    assert [copied(next(following)) for _ in range(10)] == written[:10]
    assert reader.find(25) == written[24]
    assert [copied(record) for record in following] == written[10:]


def test_a_writer_goes_on_after_a_torn_record(tmp_path):
    """Cut at every byte of the last record."""
    for cut in range(packed_size(Record(1, Kind.MESSAGE, b"last one"))):
        folder = tmp_path / str(cut)
        before = JournalWriter(folder)
        before.append(Kind.MESSAGE, b"whole")
        whole = segment_path(folder, 1).stat().st_size
        before.append(Kind.MESSAGE, b"last one")
        before.close()
        os.truncate(segment_path(folder, 1), whole + cut)
        reader = JournalReader(folder)
        assert [record.body for record in read(reader)] == [b"whole"]
        after = JournalWriter(folder)
        assert after.append(Kind.MESSAGE, b"new") == 2
        assert [record.body for record in read(reader, 1)] == [b"new"]
        after.close()


@pytest.mark.parametrize("size", range(HEADER_BYTES))
def test_a_segment_without_a_whole_header_is_begun_anew(tmp_path, size):
    before = JournalWriter(tmp_path, segment_bytes=50)
    fill(before, 3)
    before.close()
    last = first_positions(tmp_path)[-1]
    os.truncate(segment_path(tmp_path, last), size)
    assert len(read(JournalReader(tmp_path))) == last - 1
    after = JournalWriter(tmp_path)
    assert after.append(Kind.MESSAGE, b"") == last
    after.close()
    assert len(read(JournalReader(tmp_path))) == last


def test_what_another_segment_covers_does_not_count(reader, tmp_path):
    """A compaction took 1 to 8 into the first segment, left out 8, and died before it removed the second."""
    one, seven, eight, nine = (Record(position, Kind.MESSAGE, b"x") for position in (1, 7, 8, 9))
    segment_path(tmp_path, 1).write_bytes(pack_header(Header(1, 8)) + pack(one) + pack(seven))
    segment_path(tmp_path, 5).write_bytes(pack_header(Header()) + pack(seven) + pack(eight))
    segment_path(tmp_path, 9).write_bytes(pack_header(Header()) + pack(nine))
    assert read(reader) == [one, seven, nine]


def test_one_writer_at_a_time(writer, tmp_path):
    with pytest.raises(BlockingIOError):
        JournalWriter(tmp_path)
    writer.close()
    writer.close()
    JournalWriter(tmp_path).close()


def test_another_version_is_named(writer, reader, tmp_path):
    fill(writer, 1)
    data = bytearray(segment_path(tmp_path, 1).read_bytes())
    data[3] = 9
    segment_path(tmp_path, 1).write_bytes(data)
    with pytest.raises(IncompatibleVersion, match="format 9"):
        read(reader)


def test_a_body_that_is_too_long_is_refused(writer, reader, monkeypatch):
    monkeypatch.setattr("farcell.remote_runtime.journal.format.MAX_BODY_BYTES", 10)
    with pytest.raises(BadRequest):
        writer.append(Kind.MESSAGE, b"x" * 11)
    assert writer.append(Kind.MESSAGE, b"x" * 10) == 1
    assert len(read(reader)) == 1


class FullDisk:
    """`os.writev` and `os.write` on a disk with a few bytes left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, left: int) -> None:
        self._left = left
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)
        monkeypatch.setattr(os, "writev", lambda descriptor, parts: self.write(descriptor, b"".join(parts)))

    def write(self, descriptor: int, data: bytes) -> int:
        if not self._left:
            raise OSError(errno.ENOSPC, "no space left")
        written = self._write(descriptor, bytes(data[: self._left]))
        self._left -= written
        return written


@pytest.mark.parametrize("left", [0, 1, 20, 30])
def test_a_full_disk_leaves_nothing_torn(writer, reader, left):
    fill(writer, 2)
    with pytest.MonkeyPatch.context() as patch:
        FullDisk(patch, left)
        with pytest.raises(OSError, match="no space"):
            writer.append(Kind.MESSAGE, b"x" * 100)
    assert writer.position == 2
    assert writer.append(Kind.MESSAGE, b"again") == 3
    assert [record.body for record in read(reader)] == [b"body 0", b"body 1", b"again"]


@pytest.mark.parametrize("left", [0, 5])
def test_a_full_disk_at_a_rotation_is_survived(writer, reader, left):
    while writer._size < 200:
        fill(writer, 1)
    position = writer.position
    with pytest.MonkeyPatch.context() as patch:
        FullDisk(patch, left)
        with pytest.raises(OSError, match="no space"):
            writer.append(Kind.MESSAGE, b"x")
    assert writer.append(Kind.MESSAGE, b"again") == position + 1
    assert len(read(reader)) == position + 1
