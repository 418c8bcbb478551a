"""Keeps a tree in step by one of the usual programs: ``sync_command.py cp|rsync|rclone|borg``."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving import Measure, serve
from sync_tree import change_tree, make_tree, stored_bytes

COMMANDS = {
    "cp": ["cp", "-au", "tree/.", "store"],
    "rsync": ["rsync", "-a", "--delete", "tree/", "store"],
    "rclone": ["rclone", "sync", "--links", "tree", "store"],
    "borg": ["borg", "create", "--compression", "zstd,1", "store::{now:%s%f}", "tree"],
}
_BORG = {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}


class Command:
    def __init__(self, name: str) -> None:
        self._name = name
        self._turn = 0
        self._grown = 0

    def measure(self, request: str) -> float:
        if request == "grown":
            return self._grown
        if request == "memory":
            return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        if request == "first":
            self._empty()
        if request == "changed":
            self._turn += 1
            change_tree(Path("tree"), self._turn)
        before = stored_bytes(Path("store"))
        began = time.perf_counter()
        self._run(*COMMANDS[self._name])
        took_s = time.perf_counter() - began
        self._grown = stored_bytes(Path("store")) - before
        return took_s

    def _empty(self) -> None:
        shutil.rmtree("store", ignore_errors=True)
        Path("store").mkdir()
        if self._name == "borg":
            self._run("borg", "init", "--encryption", "none", "store")

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, env={**os.environ, **_BORG}, stdout=subprocess.DEVNULL)


@contextmanager
def synced() -> Iterator[Measure]:
    make_tree()
    yield Command(sys.argv[1]).measure


if __name__ == "__main__":
    serve(synced())
