"""Keeps a tree in step by a volume in a local folder, as an agent does: in a process that is there already."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving import Measure, serve
from sync_tree import change_tree, make_tree, stored_bytes

from farcell.volumes import (
    Blobs,
    FolderPut,
    LocalStore,
    Looks,
    Note,
    OwnerKeys,
    StatCache,
    StatCacheWriter,
    Upload,
    Volume,
)

TREE, STORE, LOOKS = Path("tree"), Path("store"), Path("looks")
KEYS = OwnerKeys.derive(bytes(range(32)))
NOTE = Note("somebody")


class Synced:
    def __init__(self) -> None:
        self._turn = 0
        self._grown = 0

    def measure(self, request: str) -> float:
        if request == "grown":
            return self._grown
        if request == "memory":
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if request == "first":
            shutil.rmtree(STORE, ignore_errors=True)
            LOOKS.unlink(missing_ok=True)
            Volume.create(Blobs.open(LocalStore(STORE), KEYS), "v", NOTE)
        if request == "changed":
            self._turn += 1
            change_tree(TREE, self._turn)
        before = stored_bytes(STORE)
        began = time.perf_counter()
        put()
        took_s = time.perf_counter() - began
        self._grown = stored_bytes(STORE) - before
        return took_s


def put() -> None:
    blobs = Blobs.open(LocalStore(STORE), KEYS)
    volume = Volume(blobs, "v")
    head = volume.head()
    tree = volume.tree(head.commit)
    with Upload(blobs) as upload, StatCache(LOOKS, tree.root) as before, StatCacheWriter(LOOKS) as after:
        version = FolderPut(TREE, tree, upload, head.chunker, Looks(before, after)).run()
        volume.commit(upload, head, version, NOTE)
        after.keep(version.root)


@contextmanager
def synced() -> Iterator[Measure]:
    make_tree()
    yield Synced().measure


if __name__ == "__main__":
    serve(synced())
