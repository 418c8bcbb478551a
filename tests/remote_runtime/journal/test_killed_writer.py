"""Real processes: a writer is killed at random moments, a new one goes on, and readers follow all the while."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from soaking import share

from farcell.remote_runtime.journal import JournalReader, Kind, Record
from farcell.remote_runtime.journal.folder import first_positions, size_bytes

from . import writer_program

SEGMENT_BYTES = 20_000
NO_LIMIT = 1 << 40
LIMIT = 200_000
EXACT_KILLS, COMPACTED_KILLS = 4, 6


class Follower:
    """Reads on whenever it is told to, and remembers what it got."""

    def __init__(self, folder: Path) -> None:
        self._reader = JournalReader(folder)
        self.records: list[tuple[int, Kind]] = []

    @property
    def after(self) -> int:
        return self.records[-1][0] if self.records else 0

    def read(self) -> None:
        for record in self._reader.read(self.after):
            assert record.position > self.after
            assert_as_written(record)
            self.records.append((record.position, record.kind))


def assert_as_written(record: Record) -> None:
    """Compaction may have cut a stream or put a note in its place."""
    kind, body = writer_program.record(record.position)
    if record.kind is not Kind.LEFT_OUT:
        assert record.kind is kind
    if kind is Kind.ACCEPTED or (record.kind is kind and len(record.body) == len(body)):
        assert record == Record(record.position, kind, body, 5)


@contextmanager
def running_writer(folder: Path, limit_bytes: int) -> Iterator[Iterator[int]]:
    """What it says is there; killed in the end, in the middle of whatever it does."""
    program = [sys.executable, writer_program.__file__, str(folder), str(SEGMENT_BYTES), str(limit_bytes)]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield map(int, process.stdout)
        finally:
            process.kill()


def run_and_kill(folder: Path, limit_bytes: int, follower: Follower, chance: random.Random) -> int:
    """Returns the last position that was said to be there."""
    until, said = chance.randrange(1, 1500), 0
    every = chance.choice([1, 7, 400])
    with running_writer(folder, limit_bytes) as positions:
        for number, position in enumerate(positions):
            said = position
            if number % every == 0:
                follower.read()
                assert follower.after >= position
            if number >= until:
                break
    return said


def check_exact(folder: Path, seed: int, kills: int) -> None:
    chance, follower = random.Random(seed), Follower(folder)
    for _ in range(kills):
        said = run_and_kill(folder, NO_LIMIT, follower, chance)
        follower.read()
        assert follower.after >= said
    late = Follower(folder)
    late.read()
    assert [position for position, _ in late.records] == list(range(1, late.after + 1))
    assert follower.records == late.records
    assert len(first_positions(folder)) > 1


def check_compacted(folder: Path, seed: int, kills: int) -> None:
    chance, follower = random.Random(seed), Follower(folder)
    for _ in range(kills):
        said = run_and_kill(folder, LIMIT, follower, chance)
        follower.read()
        assert follower.after >= said
        assert size_bytes(folder) < LIMIT + 8 * SEGMENT_BYTES
    late = Follower(folder)
    late.read()
    expected = list(range(10, late.after + 1, 10))
    for records in (follower.records, late.records):
        assert [position for position, kind in records if kind is Kind.ACCEPTED] == expected


@pytest.mark.parametrize("seed", [1, 2])
def test_all_that_append_returned_for_is_read_in_order_once(tmp_path, seed):
    check_exact(tmp_path, seed, kills=3)


def test_the_same_while_it_is_compacted(tmp_path):
    check_compacted(tmp_path, seed=3, kills=4)


@pytest.mark.soak("journal, killed", seeds=1, cuts=EXACT_KILLS + COMPACTED_KILLS)
@pytest.mark.parametrize("seed", range(100, 100 + share(100)))
def test_hundreds_of_killed_writers(tmp_path, seed):
    check_exact(tmp_path / "exact", seed, EXACT_KILLS)
    check_compacted(tmp_path / "compacted", seed, COMPACTED_KILLS)
