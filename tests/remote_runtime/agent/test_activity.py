"""What the kernel's processes use, read from this machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from farcell.remote_runtime.agent import activity
from farcell.remote_runtime.agent.activity import ActivityMeter

PARENT = """
import subprocess, sys, threading
children = []
waits = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
start = lambda: children.append(subprocess.Popen(waits, stdin=0, stdout=1))
thread = threading.Thread(target=start)
thread.start(); thread.join(); start()
[child.wait() for child in children]
"""


@contextmanager
def family() -> Iterator[int]:
    """A process with two children, one of them started in a thread that has ended."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=pipe, stdout=pipe) as parent:
        assert parent.stdout is not None
        for _ in range(2):
            parent.stdout.readline()
        yield parent.pid
        parent.communicate()


def test_a_tree_has_the_children_of_every_thread():
    with family() as pid:
        assert len(set(activity._tree(pid))) == 3


def test_listed_and_searched_trees_are_the_same(monkeypatch: pytest.MonkeyPatch):
    with family() as pid:
        listed = set(activity._tree(pid))
        monkeypatch.setattr(activity.Path, "exists", lambda _: False)
        assert set(activity._tree(pid)) == listed


def test_a_process_that_is_gone_uses_nothing():
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    sample = ActivityMeter((), None).sample(gone.pid)
    assert (sample.cpu, sample.memory_bytes) == (0.0, 0)
