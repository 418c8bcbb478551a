"""Commits and heads as bytes."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import Final

import msgspec

from .blobs import Blobs
from .chunker import ChunkerSpec
from .errors import NoSuchCommit, UnknownFormat
from .ids import BlobId, Kind

_FORMAT: Final = 1


class Commit(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One immutable version of a volume.

    `volume` binds it: a commit of one volume is none of another, though their chunks may be the same. `parents`: the
    head that it followed, and, where it was merged, the commit that was to follow an older one. They may be thinned
    out.
    """

    format: int = _FORMAT
    volume: str
    parents: tuple[BlobId, ...]
    root: BlobId
    made_ns: int
    """Since 1970 in UTC, by the committer's clock; told, and never compared with another's."""
    author: str
    message: str
    origin: str = ""
    """Of a fork's first: ``volume@commit``."""


class LogEntry(msgspec.Struct, frozen=True, array_like=True):
    """What a volume's log says of a commit, by its number."""

    commit: BlobId
    made_ns: int
    author: str
    message: str


@dataclass(frozen=True, slots=True)
class Head:
    """What a volume's ref says. `number` grows by one with each commit."""

    volume: str
    number: int
    commit: BlobId
    log: BlobId
    """The root of the tree of log entries."""
    epoch: int = 0
    """Of garbage collection: `collection.py`."""
    chunker: ChunkerSpec = field(default_factory=ChunkerSpec)

    def encode(self) -> bytes:
        """A value that is never written twice, so that a lost answer can be told from a lost race."""
        found = asdict(self) | {"commit": self.commit.hex(), "log": self.log.hex()}
        return json.dumps({"format": _FORMAT, **found, "nonce": secrets.token_hex(8)}).encode()

    @classmethod
    def decode(cls, value: bytes) -> Head:
        found = json.loads(value)
        if found["format"] != _FORMAT:
            raise UnknownFormat("this volume was written by a newer Farcell: update this one")
        return cls(
            volume=found["volume"],
            number=found["number"],
            commit=BlobId(bytes.fromhex(found["commit"])),
            log=BlobId(bytes.fromhex(found["log"])),
            epoch=found["epoch"],
            chunker=ChunkerSpec.from_json(found["chunker"]),
        )


_encoder = msgspec.msgpack.Encoder()
_commits = msgspec.msgpack.Decoder(Commit)
_log_entries = msgspec.msgpack.Decoder(LogEntry)


def encode_commit(commit: Commit) -> bytes:
    return _encoder.encode(commit)


def read_commit(blobs: Blobs, commit: BlobId, volume: str) -> Commit:
    """Raises `NoSuchCommit` also for a commit of another volume: a name is no key to it."""
    data = blobs.read(commit, Kind.COMMIT)
    if msgspec.msgpack.decode(data)[0] != _FORMAT:
        raise UnknownFormat("a commit was written by a newer Farcell: update this one")
    found = _commits.decode(data)
    if found.volume != volume:
        raise NoSuchCommit(f"volume {volume} has no commit {commit.hex()}")
    return found


def encode_log_entry(entry: LogEntry) -> bytes:
    return _encoder.encode(entry)


def decode_log_entry(value: bytes) -> LogEntry:
    return _log_entries.decode(value)


def log_key(number: int) -> bytes:
    return number.to_bytes(8, "big")


def log_number(key: bytes) -> int:
    return int.from_bytes(key, "big")
