"""One of everything that is written to a store, made of fixed values; ``python format_samples.py`` writes them anew.

A new version of a format has new files beside the old ones, which go on being read.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from farcell.volumes import ChunkerSpec, Entry, EntryKind, Head, LogEntry, OwnerKeys
from farcell.volumes.chunker import make_chunker
from farcell.volumes.collection import Collection
from farcell.volumes.commits import Commit, encode_commit, encode_log_entry
from farcell.volumes.compression import Codec
from farcell.volumes.contents import write_content
from farcell.volumes.entries import encode_entry
from farcell.volumes.ids import BlobId, Kind
from farcell.volumes.index import Location, make_table
from farcell.volumes.nodes import Child, Leaf, encode_node
from farcell.volumes.pack import PackBuilder, PackEntry

GOLDEN = Path(__file__).parents[1] / "golden" / "volumes"
KEYS = OwnerKeys.derive(bytes(range(32)))
ONE, TWO = (KEYS.id_of(Kind.CHUNK, data) for data in (b"one", b"two"))
FILE = Entry(EntryKind.FILE, 0o644, 1_600_000_000_123_456_789, 3, ONE + (3).to_bytes(4, "little"))
COMMIT = Commit(
    volume="v",
    parents=(ONE,),
    root=TWO,
    made_ns=1_600_000_000_000_000_000,
    author="me",
    message="hello",
    origin="",
)
LOG_ENTRY = LogEntry(ONE, 1_600_000_000_000_000_000, "me", "hello")
HEAD = Head("v", 7, ONE, TWO, 3, ChunkerSpec())
COLLECTION = Collection(3, {"aa" * 16: 1_600_000_000.5, "bb" * 16: 1.0}, frozenset({"bb" * 16}))
TABLE = make_table(
    [
        Location("aa" * 16, PackEntry(ONE, 1, 0, 8, 3, 3)),
        Location("bb" * 16, PackEntry(TWO, 1, 1, 11, 30, 300)),
    ]
)


class Collected:
    """Takes blobs, and keeps the last."""

    def __init__(self) -> None:
        self.last = b""

    def add(self, kind: Kind, data: bytes) -> BlobId:
        self.last = data
        return KEYS.id_of(kind, data)


def pack() -> bytes:
    builder = PackBuilder()
    builder.add(ONE, Kind.CHUNK, Codec.PLAIN, b"one", 3)
    builder.add(TWO, Kind.CHUNK, Codec.PLAIN, b"two", 3)
    return b"".join(builder.finish(KEYS)[0])


def chunk_list() -> bytes:
    blobs = Collected()
    write_content(blobs, ((KEYS.id_of(Kind.CHUNK, b"%d" % number), 1000) for number in range(10)))
    return blobs.last


def samples() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each format."""
    yield "pack-1", pack()
    yield "table-1", TABLE.encode(KEYS)
    yield "entry-1-file", encode_entry(FILE)
    yield "entry-1-folder", encode_entry(Entry(EntryKind.FOLDER, 0o755))
    yield "entry-1-link", encode_entry(Entry(EntryKind.LINK, size_bytes=4, chunks=b"a/b/"))
    yield "node-1-leaf", encode_node(0, [Leaf(b"a\0b", encode_entry(FILE), 3)])
    yield "node-1-inner", encode_node(1, [Child(b"a\0b", ONE, 1, 3), Child(b"c", TWO, 64, 1 << 40)])
    yield "list-1", chunk_list()
    yield "commit-1", encode_commit(COMMIT)
    yield "log-entry-1", encode_log_entry(LOG_ENTRY)
    yield "collection-1", COLLECTION.encode("nonce")


def cut_points() -> str:
    """Of 8 MiB that a fixed generator makes: each chunk's size and id, for the default chunker and these keys."""
    data = random.Random(20_26).randbytes(8 << 20)

    class Stream:
        at = 0

        def readinto(self, buffer: memoryview) -> int:
            found = data[self.at : self.at + len(buffer)]
            buffer[: len(found)] = found
            self.at += len(found)
            return len(found)

    chunks = make_chunker(ChunkerSpec(), KEYS.cut_seed).cut(Stream())  # type: ignore[arg-type]
    return "".join(f"{len(chunk)} {KEYS.id_of(Kind.CHUNK, chunk).hex()}\n" for chunk in chunks)


def main() -> None:
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, data in samples():
        (GOLDEN / f"{name}.hex").write_text(data.hex(" ", 32) + "\n")
    (GOLDEN / "cut-points-fastcdc-2020.txt").write_text(cut_points())


if __name__ == "__main__":
    sys.exit(main())
