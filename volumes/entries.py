r"""What a volume's tree has under a path.

Keys are paths as bytes with ``\0`` for ``/``: a folder's content follows it at once. Values are MessagePack arrays
``[kind, mode, mtime in ns, size, chunks, list]``; see `Entry`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Final

import msgspec

from .ids import ID_BYTES, BlobId
from .trees import Edit, Tree

_SEPARATOR: Final = b"\0"


class EntryKind(IntEnum):
    """A number of the format."""

    FILE = 1
    FOLDER = 2
    LINK = 3


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A file, folder or symbolic link. `mode` has the permission bits alone.

    A folder has no time and a link none either: they change whenever their neighbours do.
    """

    kind: EntryKind
    mode: int = 0
    mtime_ns: int = 0
    size_bytes: int = 0
    chunks: bytes = b""
    """Of a short file: id and size of each chunk (`contents.py`). Of a link: where it points."""
    list_id: bytes = b""
    """Of a long file: the root of its chunk list."""

    @property
    def is_file(self) -> bool:
        return self.kind is EntryKind.FILE

    def same_content(self, other: Entry) -> bool:
        """Whatever their times say."""
        return (self.kind, self.mode, self.chunks, self.list_id) == (
            other.kind,
            other.mode,
            other.chunks,
            other.list_id,
        )

    def list_root(self) -> BlobId | None:
        return BlobId(self.list_id) if len(self.list_id) == ID_BYTES else None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


def key_of(path: bytes) -> bytes:
    return path.replace(b"/", _SEPARATOR)


def path_of(key: bytes) -> bytes:
    return key.replace(_SEPARATOR, b"/")


def inside(key: bytes) -> tuple[bytes, bytes | None]:
    """The keys of all that lies in a folder: from the first, before the second. The root's key is empty."""
    return (key + _SEPARATOR, key + b"\1") if key else (b"", None)


def is_inside(key: bytes, folder: bytes) -> bool:
    return not folder or key.startswith(folder + _SEPARATOR)


def child_key(folder: bytes, name: bytes) -> bytes:
    return folder + _SEPARATOR + name if folder else name


def children(tree: Tree, folder: bytes) -> Iterator[tuple[bytes, Entry]]:
    """Names and entries of what a folder has, in order; what its folders have is not read."""
    start, stop = inside(folder)
    position: bytes | None = start
    while position is not None:
        leaves, position = tree.items(position, stop), None
        for leaf in leaves:
            entry = decode_entry(leaf.value)
            yield leaf.key[len(start) :], entry
            if entry.kind is EntryKind.FOLDER:
                position = inside(leaf.key)[1]
                break


def encode_entry(entry: Entry) -> bytes:
    return _encoder.encode(entry)


def decode_entry(value: bytes) -> Entry:
    return _decoder.decode(value)


def set_entry(key: bytes, entry: Entry) -> Edit:
    return Edit(key, encode_entry(entry), entry.size_bytes)


def remove_entry(key: bytes) -> Edit:
    return Edit(key, None)
