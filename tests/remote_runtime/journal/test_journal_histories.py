"""Appends, deaths of writers and compactions, readers that follow and that lag; the model is a plain list."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from soaking import share

from farcell.remote_runtime.journal import Compactor, JournalReader, JournalWriter, Kind, Policy, Record
from farcell.remote_runtime.journal import compaction as compaction_module
from farcell.remote_runtime.journal.entries import Role, look_at
from farcell.remote_runtime.journal.folder import first_positions, segment_path, size_bytes
from farcell.remote_runtime.journal.format import pack, parse_header
from farcell.remote_runtime.journal.left_out import What

from .samples import Body, accepted, copied, display, reply, stream

SEGMENT_BYTES = 2_000
LONGEST = 1_500
POLICY = Policy(stream_chars=30, outputs_share=0.25, large_bytes=800)
CELLS = st.sampled_from(["a", "b"])
TEXT = st.text(alphabet="ab\n", max_size=300)
BODIES = st.one_of(
    st.builds(stream, CELLS, TEXT),
    st.builds(display, CELLS, TEXT),
    st.builds(reply, CELLS),
    st.builds(accepted, CELLS),
)


class Killed(BaseException):
    """Nothing between it and the test may catch it, as nothing survives SIGKILL."""


@contextmanager
def dying(after_steps: int, written: float) -> Iterator[None]:
    """Compaction dies before its next step on the disk, or with a part of a file written."""
    left = iter(range(after_steps))

    def mortal(step: Callable[..., object]) -> Callable[..., object]:
        def stepping(*args: object) -> object:
            if next(left, None) is None:
                raise Killed
            return step(*args)

        return stepping

    def write(path: Path, *args: object) -> None:
        whole(path, *args)
        if next(left, None) is None:
            path.write_bytes(path.read_bytes()[: int(path.stat().st_size * written)])
            raise Killed

    whole = compaction_module._write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction_module, "_write", write)
        patch.setattr(Path, "replace", mortal(Path.replace))
        patch.setattr(Path, "unlink", mortal(Path.unlink))
        yield


class Journal(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="farcell-journal-"))
        self.written: list[Record] = []
        self.writer = JournalWriter(self.folder, segment_bytes=SEGMENT_BYTES)
        self.follower, self.followed = JournalReader(self.folder), 0
        self.laggard, self.lagged = JournalReader(self.folder), 0

    @rule(bodies=st.lists(BODIES, min_size=1, max_size=8), client=st.integers(0, 3))
    def append(self, bodies: list[Body], client: int) -> None:
        for kind, body in bodies:
            position = self.writer.append(kind, body, client)
            self.written.append(Record(position, kind, body, client))

    @rule(body=BODIES, torn=st.floats(0, 1, exclude_max=True))
    def killed_in_a_record(self, body: Body, torn: float) -> None:
        self.writer.close()
        record = pack(Record(self.writer.position + 1, *body))
        with segment_path(self.folder, first_positions(self.folder)[-1]).open("ab") as file:
            file.write(record[: int(len(record) * torn)])
        self.follow()
        self.writer = JournalWriter(self.folder, segment_bytes=SEGMENT_BYTES)

    @rule(body=BODIES)
    def killed_before_it_returned(self, body: Body) -> None:
        """The record is whole: it counts, though nobody was told of it."""
        self.append([body], 0)
        self.writer.close()
        self.writer = JournalWriter(self.folder, segment_bytes=SEGMENT_BYTES)

    @rule(size=st.integers(0, 15))
    def killed_at_a_rotation(self, size: int) -> None:
        self.writer.close()
        if self.written:
            path = segment_path(self.folder, self.writer.position + 1)
            path.write_bytes(b"FCJ\x01\0\0\0\0\0\0\0\0\0\0\0\0"[:size])
        self.writer = JournalWriter(self.folder, segment_bytes=SEGMENT_BYTES)

    @rule(limit=st.sampled_from([0, 5_000, 10_000]))
    def compact(self, limit: int) -> None:
        before = size_bytes(self.folder)
        shrank = Compactor(self.folder, limit, SEGMENT_BYTES, POLICY).run_once()
        assert before - size_bytes(self.folder) >= shrank
        assert size_bytes(self.folder) <= limit + 3 * (SEGMENT_BYTES + LONGEST)
        assert not list(self.folder.glob("*.new"))

    @rule(limit=st.sampled_from([0, 5_000]), steps=st.integers(0, 8), written=st.floats(0, 1))
    def killed_in_compaction(self, limit: int, steps: int, written: float) -> None:
        with dying(steps, written), suppress(Killed):
            Compactor(self.folder, limit, SEGMENT_BYTES, POLICY).run_once()
        self.writer.close()
        self.writer = JournalWriter(self.folder, segment_bytes=SEGMENT_BYTES)
        self.check_leftovers()

    def check_leftovers(self) -> None:
        """No reader sees them, and the next run removes them, whether or not it has more to do."""
        before = copied(JournalReader(self.folder).read())
        Compactor(self.folder, 1 << 40, SEGMENT_BYTES, POLICY).run_once()
        assert copied(JournalReader(self.folder).read()) == before
        assert not list(self.folder.glob("*.new"))
        firsts = first_positions(self.folder)
        headers = [parse_header(segment_path(self.folder, first).read_bytes()) for first in firsts]
        assert all(
            header and header.covers < following
            for header, following in zip(headers, firsts[1:], strict=False)
        )

    @rule(limit=st.sampled_from([0, 5_000]), before=st.integers(1, 4))
    def compacted_under_a_reader(self, limit: int, before: int) -> None:
        reading = JournalReader(self.folder).read()
        records = copied(islice(reading, before))
        Compactor(self.folder, limit, SEGMENT_BYTES, POLICY).run_once()
        self.check([*records, *copied(reading)])

    @rule(count=st.integers(1, 5))
    def lag(self, count: int) -> None:
        for record in islice(self.laggard.read(self.lagged), count):
            assert record.position > self.lagged
            self.lagged = record.position

    @invariant()
    def follow(self) -> None:
        """Whoever is up to date misses nothing, and gets nothing twice."""
        records = copied(self.follower.read(self.followed))
        assert records == self.written[self.followed :]
        self.followed += len(records)

    @invariant()
    def look(self) -> None:
        self.check(copied(JournalReader(self.folder).read()))

    def check(self, records: list[Record]) -> None:
        """In order, each once, up to the last; each as it was written, or what compaction makes of it."""
        positions = [record.position for record in records]
        assert positions == sorted(set(positions))
        assert positions[-1:] == [record.position for record in self.written[-1:]]
        for record in records:
            was = self.written[record.position - 1]
            assert record == was or record.kind is Kind.LEFT_OUT or look_at(was).role is Role.STREAM
        self.check_notes(records)

    def check_notes(self, records: list[Record]) -> None:
        """What is missing is counted by a note at its place or behind it."""
        noted: dict[object, int] = {}
        for entry in map(look_at, records):
            if entry.note:
                noted[What.EVERYTHING if entry.note.what is What.EVERYTHING else entry.cell] = entry.position
        there = {record.position for record in records}
        for entry in map(look_at, self.written):
            if entry.position not in there:
                by_cell = 0 if entry.role is Role.KEPT else noted.get(entry.cell, 0)
                assert entry.position <= max(by_cell, noted.get(What.EVERYTHING, 0))

    def teardown(self) -> None:
        records = list(self.laggard.read(self.lagged))
        assert [record.position for record in records[-1:]] in ([], [self.writer.position])
        self.writer.close()
        shutil.rmtree(self.folder)


@pytest.mark.parametrize("limit", [0, 5_000])
@pytest.mark.parametrize("steps", range(0, 40, 3))
def test_killed_before_each_step_of_compaction(limit, steps):
    """Three kills in a row, so that what is left over meets the next run."""
    journal = Journal()
    for _ in range(30):
        journal.append([stream("a", "ab\n" * 30), display("b", "a" * 200)], 0)
        journal.follow()
    for step in range(steps, steps + 3):
        journal.killed_in_compaction(limit, step, 0.5)
        journal.look()
        journal.append([reply("a")] * 4, 0)
        journal.follow()
    journal.teardown()


JournalTest = Journal.TestCase
JournalTest.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


@pytest.mark.soak("journal, by histories", seeds=share(3_000))
class TestManyHistories(Journal.TestCase):
    settings = settings(max_examples=share(3_000), stateful_step_count=60, deadline=None)
