"""Volumes as plain dictionaries of paths and bytes, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from farcell.volumes import (
    Blobs,
    Entry,
    EntryKind,
    Tree,
    Upload,
    Volume,
    decode_entry,
    key_of,
    path_of,
    read_range,
)
from farcell.volumes.contents import write_content
from farcell.volumes.entries import remove_entry, set_entry
from farcell.volumes.ids import Kind
from farcell.volumes.trees import Edit

Files = Mapping[bytes, bytes | None]
"""By path; None is a folder."""


def entry_of(upload: Upload, data: bytes | None) -> Entry:
    if data is None:
        return Entry(EntryKind.FOLDER, 0o755)
    pieces = upload.add_all(Kind.CHUNK, [data] if data else [])
    return Entry(EntryKind.FILE, 0o644, 0, *write_content(upload, pieces))


def edits_to(upload: Upload, before: Files, after: Files) -> Iterable[Edit]:
    for path in sorted(before.keys() | after.keys(), key=key_of):
        if path not in after:
            yield remove_entry(key_of(path))
        elif path not in before or before[path] != after[path]:
            yield set_entry(key_of(path), entry_of(upload, after[path]))


def files_in(blobs: Blobs, tree: Tree) -> dict[bytes, bytes | None]:
    files: dict[bytes, bytes | None] = {}
    for leaf in tree.items():
        entry = decode_entry(leaf.value)
        files[path_of(leaf.key)] = (
            b"".join(read_range(blobs, entry, 0, entry.size_bytes)) if entry.is_file else None
        )
    return files


def files_of(blobs: Blobs, volume: Volume) -> dict[bytes, bytes | None]:
    return files_in(blobs, volume.tree(volume.head().commit))
