"""The limit on disk, and what compaction leaves in the folder."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from farcell.remote_runtime.journal import Compactor, JournalReader, JournalWriter, Kind, Policy
from farcell.remote_runtime.journal import compaction as compaction_module
from farcell.remote_runtime.journal.folder import FileLock, first_positions, size_bytes
from farcell.remote_runtime.journal.left_out import What

from .samples import Body, accepted, copied, display, notes, reply, stream

SEGMENT_BYTES = 4_000
POLICY = Policy(stream_chars=100, outputs_share=0.25, large_bytes=1_000)


@pytest.fixture
def writer(tmp_path: Path):
    writer = JournalWriter(tmp_path, segment_bytes=SEGMENT_BYTES)
    yield writer
    writer.close()


def write(writer: JournalWriter, *bodies: Body) -> None:
    for kind, body in bodies:
        writer.append(kind, body)


def compactor(folder: Path, limit_bytes: int) -> Compactor:
    return Compactor(folder, limit_bytes, SEGMENT_BYTES, POLICY)


def test_up_to_its_limit_a_journal_is_exact(writer, tmp_path):
    write(writer, *[stream("a", "x" * 500)] * 50)
    files = {path: path.read_bytes() for path in tmp_path.glob("*.fcj")}
    assert compactor(tmp_path, size_bytes(tmp_path)).run_once() == 0
    assert files == {path: path.read_bytes() for path in tmp_path.glob("*.fcj")}


def test_a_journal_that_is_not_there_is_no_error(tmp_path):
    assert compactor(tmp_path / "none", 0).run_once() == 0


def test_the_segment_that_is_written_to_is_left_alone(writer, tmp_path):
    write(writer, stream("a", "x" * 100_000))
    assert compactor(tmp_path, 0).run_once() == 0
    write(writer, stream("a", "y"))
    assert compactor(tmp_path, 0).run_once() > 90_000
    write(writer, stream("a", "z"))
    assert bytes(copied(JournalReader(tmp_path).read())[-1].body) == stream("a", "z")[1]


def test_the_newest_half_of_the_limit_stays_exact(writer, tmp_path):
    write(writer, *[stream("a", "x" * 500)] * 200)
    written = copied(JournalReader(tmp_path).read())
    limit = size_bytes(tmp_path) // 2
    assert compactor(tmp_path, limit).run_once() > 0
    assert size_bytes(tmp_path) <= limit
    records = copied(JournalReader(tmp_path).read())
    exact = [record for record in records if record in written]
    assert exact[-1] == written[-1]
    assert sum(len(record.body) for record in exact) > limit // 2


def test_a_cell_that_prints_for_ever_takes_no_more_than_the_limit(writer, tmp_path):
    """Its compacted segments become one, however many there were."""
    limit = 10 * SEGMENT_BYTES
    write(writer, accepted("a"))
    for _ in range(100):
        write(writer, *[stream("a", "x" * 99 + "\n")] * 20)
        compactor(tmp_path, limit).run_once()
        assert size_bytes(tmp_path) <= limit
    records = copied(JournalReader(tmp_path).read())
    (note,) = notes(records)
    assert note.what is What.STREAM
    assert records[0].kind is Kind.ACCEPTED
    shown = sum(record.body.count(b"xxx\\n") for record in records if record.kind is Kind.MESSAGE)
    assert note.count + shown == 2000
    assert note.count + sum(b"\\n" in record.body for record in records[1:]) - len(notes(records)) in (
        1999,
        2000,
    )


def test_what_can_not_be_compacted_is_dropped_with_a_note(writer, tmp_path):
    limit = 8 * SEGMENT_BYTES
    for number in range(300):
        write(writer, accepted(f"{number}"), reply(f"{number}"))
        compactor(tmp_path, limit).run_once()
        assert size_bytes(tmp_path) <= limit + SEGMENT_BYTES
    records = copied(JournalReader(tmp_path).read())
    (note,) = notes(records)
    assert note.what is What.EVERYTHING
    assert note.count + len(records) - 1 == 600
    assert len(first_positions(tmp_path)) < 12


def test_large_outputs_make_room_for_newer_ones(writer, tmp_path):
    for number in range(100):
        write(writer, display(f"{number}", f"{number}" * 300))
        compactor(tmp_path, 5 * SEGMENT_BYTES).run_once()
    records = copied(JournalReader(tmp_path).read())
    assert records[-1].position == 100
    assert size_bytes(tmp_path) <= 6 * SEGMENT_BYTES
    assert sum(note.count for note in notes(records)) + len(records) - len(notes(records)) == 100


def test_a_record_is_found_after_compaction(writer, tmp_path):
    write(writer, accepted("a"), *[stream("a", "x" * 500)] * 100, reply("a"), *[stream("b", "x" * 500)] * 50)
    compactor(tmp_path, SEGMENT_BYTES).run_once()
    found = JournalReader(tmp_path).find(102)
    assert found is not None
    assert bytes(found.body) == reply("a")[1]
    assert JournalReader(tmp_path).find(50) is None


def test_a_process_of_its_own_does_the_same(writer, tmp_path):
    write(writer, *[stream("a", "x" * 2000)] * 100)
    subprocess.run(Compactor(tmp_path, 20_000, SEGMENT_BYTES).command(), check=True)
    assert size_bytes(tmp_path) < 100_000
    assert [note.what for note in notes(JournalReader(tmp_path).read())] == [What.EVERYTHING]


def test_a_writer_that_is_far_ahead_is_told_so(writer, tmp_path):
    assert not compactor(tmp_path, SEGMENT_BYTES).behind()
    write(writer, *[stream("a", "x" * 500)] * 50)
    assert compactor(tmp_path, SEGMENT_BYTES).behind()
    compactor(tmp_path, SEGMENT_BYTES).run_once()
    assert not compactor(tmp_path, SEGMENT_BYTES).behind()


def test_two_compactions_at_once_are_one(writer, tmp_path):
    write(writer, *[stream("a", "x" * 500)] * 50)
    lock = FileLock(tmp_path / "compactor.lock")
    assert compactor(tmp_path, 0).run_once() == 0
    lock.close()
    assert compactor(tmp_path, 0).run_once() > 0


def test_a_full_disk_leaves_the_journal_as_it_was(writer, tmp_path, monkeypatch):
    write(writer, *[stream("a", "x" * 500)] * 50)
    before = copied(JournalReader(tmp_path).read())

    def no_space(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(compaction_module, "_write", no_space)
        with pytest.raises(OSError, match="no space"):
            compactor(tmp_path, 0).run_once()
    assert copied(JournalReader(tmp_path).read()) == before
    assert compactor(tmp_path, 0).run_once() > 0


def test_a_journal_is_compacted_while_it_is_written_and_read(tmp_path):
    """In a thread, as the agent does: whoever follows misses no reply."""
    wanted, done = threading.Event(), threading.Event()

    def compact() -> None:
        while not done.is_set():
            wanted.wait()
            wanted.clear()
            compactor(tmp_path, 10 * SEGMENT_BYTES).run_once()

    thread = threading.Thread(target=compact)
    thread.start()
    writer = JournalWriter(tmp_path, wanted.set, SEGMENT_BYTES)
    reader, after, answers = JournalReader(tmp_path), 0, []
    try:
        for number in range(400):
            write(writer, *[stream(f"{number}", "x" * 400)] * 3, accepted(f"{number}"))
            for record in reader.read(after):
                assert record.position > after
                after = record.position
                if record.kind is Kind.ACCEPTED:
                    answers.append(int(bytes(record.body)))
    finally:
        done.set()
        wanted.set()
        thread.join()
        writer.close()
    assert answers == list(range(400))
    assert size_bytes(tmp_path) < 400 * 3 * 400
