"""Real processes, killed at random moments of commits and collections: what was said to be there is whole."""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from soaking import share

from farcell.volumes import Blobs, LocalStore, Note, Volume, check

from . import commit_program
from .small_trees import files_of

KILLS = 3


def start(folder: Path, what: str) -> subprocess.Popen[bytes]:
    program = [sys.executable, commit_program.__file__, str(folder), "v", what]
    return subprocess.Popen(program, stdout=subprocess.PIPE)


def run_and_kill(folder: Path, chance: random.Random) -> int:
    """A committer and a collector at once, killed one after the other; the last commit that was said to be there."""
    with ExitStack() as stack:
        committer, collector = (stack.enter_context(start(folder, what)) for what in ("commit", "collect"))
        said = 0
        try:
            assert committer.stdout is not None
            for _ in range(chance.randrange(1, 40)):
                said = int(committer.stdout.readline())
            if chance.random() < 0.5:
                collector.kill()
        finally:
            committer.kill()
            collector.kill()
    assert collector.returncode == -9, "the collector ended by itself"
    return said


def kill_often(folder: Path, seed: int, kills: int) -> None:
    chance = random.Random(seed)
    Volume.create(Blobs.open(LocalStore(folder), commit_program.KEYS), "v", Note("somebody"))
    for _ in range(kills):
        said = run_and_kill(folder, chance)
        blobs = Blobs.open(LocalStore(folder), commit_program.KEYS)
        volume = Volume(blobs, "v")
        head = volume.head()
        assert head.number >= said
        report = check(blobs)
        assert report.is_whole, report
        newest = range(max(2, head.number - commit_program.FILES + 1), head.number + 1)
        assert files_of(blobs, volume) == {
            b"%02d" % (number % commit_program.FILES): commit_program.content(number) for number in newest
        }


@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_committed_outlives_every_kill(tmp_path, seed):
    kill_often(tmp_path, seed, KILLS)


@pytest.mark.soak("volumes, killed", seeds=1, cuts=KILLS)
@pytest.mark.parametrize("seed", range(100, 100 + share(300)))
def test_hundreds_of_kills(tmp_path, seed):
    kill_often(tmp_path, seed, KILLS)
