"""Commits without end, says after each that it is there, and now and then collects garbage without any grace.

Arguments: the store's folder, the volume, ``commit`` or ``collect``.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
from pathlib import Path

from farcell.volumes import Blobs, Collector, LocalStore, Note, OwnerKeys, Upload, Volume
from farcell.volumes.contents import write_content
from farcell.volumes.entries import Entry, EntryKind, set_entry
from farcell.volumes.errors import Collected, Damaged, RefMoved
from farcell.volumes.ids import Kind

KEYS = OwnerKeys.derive(bytes(range(32)))
FILES = 20
KEPT = 5
"""Commits that stay in the log; what is older is thinned out, so that there is garbage."""


def content(number: int) -> bytes:
    """Of the file that a commit changes; every third is what an old one was, and found in the store."""
    number -= FILES * KEPT * (number % 3 == 0 and number > FILES * KEPT)
    return random.Random(number).randbytes(2000 + number % 5 * 40_000)


def commit(blobs: Blobs, volume: Volume) -> int:
    """Changes the file that is next; returns the head's number."""
    head = volume.head()
    number = head.number + 1
    with Upload(blobs, target_bytes=50_000) as upload:
        data = content(number)
        pieces = upload.add_all(Kind.CHUNK, [data[:1000], data[1000:]])
        entry = Entry(EntryKind.FILE, 0o644, 0, *write_content(upload, pieces))
        tree = volume.tree(head.commit).update(upload, [set_entry(b"%02d" % (number % FILES), entry)])
        done = volume.commit(upload, head, tree, Note("somebody"))
    volume.thin([max(1, number - KEPT)])
    return done.head.number


def main(folder: str, name: str, what: str) -> None:
    blobs = Blobs.open(LocalStore(Path(folder)), KEYS)
    for turn in itertools.count():
        try:
            said = commit(blobs, Volume(blobs, name)) if what == "commit" else collect(blobs, turn)
        except (Collected, RefMoved):
            blobs.refresh()
        except Damaged:  # its base was thinned out and collected under it; a committer begins anew
            if what == "collect":
                raise
            blobs.refresh()
        else:
            os.write(1, b"%d\n" % said)


def collect(blobs: Blobs, turn: int) -> int:
    Collector(blobs, grace_s=0).run()
    return turn


if __name__ == "__main__":
    main(*sys.argv[1:])
