"""Damage is found, named with what it hits, and the index comes back from the packs."""

from __future__ import annotations

from pathlib import Path

import pytest

from farcell.volumes import Blobs, Hit, LocalStore, Note, OwnerKeys, Upload, Volume, check, rebuild_index
from farcell.volumes.errors import Damaged
from farcell.volumes.ids import Kind
from farcell.volumes.pack import pack_key

from .small_trees import files_of
from .test_volume import put


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def blobs(folder: Path, keys: OwnerKeys) -> Blobs:
    return Blobs.open(LocalStore(folder), keys)


@pytest.fixture
def volume(blobs: Blobs) -> Volume:
    volume = Volume.create(blobs, "v", Note("somebody"))
    put(blobs, volume, {}, {b"good": b"good" * 100, b"bad": b"bad" * 100})
    put(
        blobs,
        volume,
        {b"good": b"", b"bad": b""},
        {b"good": b"good" * 100, b"bad": b"bad" * 100, b"new": b"1"},
    )
    return volume


def spoil(folder: Path, blobs: Blobs, kind: Kind, data: bytes | None = None, blob: bytes = b"") -> str:
    """Flips a bit of a blob; returns its id."""
    found = blobs.index.find(blob or blobs.keys.id_of(kind, data or b""))
    assert found is not None
    path = folder / pack_key(found.pack)
    content = bytearray(path.read_bytes())
    content[found.entry.offset] ^= 1
    path.write_bytes(content)
    return found.entry.id.hex()


def test_a_store_in_order_is_whole(blobs, volume):
    report = check(blobs)
    assert report.is_whole
    assert report.blobs == len(blobs.index)
    assert report.bytes_read == sum(one.size_bytes for one in blobs.store.list("packs/"))


def test_a_damaged_chunk_is_named_with_every_version_it_hits(folder, blobs, volume):
    damaged = spoil(folder, blobs, Kind.CHUNK, b"bad" * 100)
    newest, before, _ = list(volume.log())
    report = check(blobs)
    assert report.damaged_blobs == [damaged]
    assert report.hits == [Hit("v", one.entry.commit.hex(), b"bad") for one in (newest, before)]
    with pytest.raises(Damaged):
        files_of(blobs, volume)


def test_a_damaged_node_hits_its_version_alone(folder, blobs, volume):
    newest = volume.head().commit
    spoil(folder, blobs, Kind.NODE, blob=volume.tree(newest).root)
    assert check(Blobs.open(blobs.store, blobs.keys)).hits == [Hit("v", newest.hex())]


def test_a_damaged_log_hits_its_volume(folder, blobs, volume):
    spoil(folder, blobs, Kind.NODE, blob=volume.head().log)
    assert check(blobs).hits == [Hit("v")]


def test_a_pack_without_an_end_and_a_lost_one_are_named(folder, blobs, volume):
    found = blobs.index.find(blobs.keys.id_of(Kind.CHUNK, b"bad" * 100))
    assert found is not None
    path = folder / pack_key(found.pack)
    content = path.read_bytes()
    path.write_bytes(content[:-5])
    report = check(Blobs.open(blobs.store, blobs.keys))
    assert report.damaged_packs == [found.pack]
    assert report.hits
    path.unlink()
    assert check(Blobs.open(blobs.store, blobs.keys)).hits == report.hits
    path.write_bytes(content)
    assert check(Blobs.open(blobs.store, blobs.keys)).is_whole


def test_the_good_one_of_two_copies_is_read(folder, blobs, volume, keys):
    found = blobs.index.find(keys.id_of(Kind.CHUNK, b"bad" * 100))
    assert found is not None
    with Upload(blobs) as upload:
        stored = blobs.store.get_range(pack_key(found.pack), found.entry.offset, found.entry.stored_bytes)
        upload.copy(found.entry, stored)
        upload.flush()
    spoil(folder, blobs, Kind.CHUNK, b"bad" * 100)
    assert files_of(blobs, volume)[b"bad"] == b"bad" * 100
    assert check(blobs).is_whole


def test_the_index_is_rebuilt_from_the_packs(folder, blobs, volume):
    rebuild_index(blobs)
    (table,) = folder.glob("index/*")
    table.write_bytes(b"rubbish")
    fresh = Blobs.open(blobs.store, blobs.keys)
    assert rebuild_index(fresh) == len(blobs.index)
    assert not table.exists()
    assert len(list(folder.glob("index/*"))) == 1
    assert check(Blobs.open(blobs.store, blobs.keys)).is_whole
