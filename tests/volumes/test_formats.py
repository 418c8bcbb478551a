"""What lies in a store goes on being read: golden files of each format, and what is done with damaged ones."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from farcell.volumes import Blobs, BucketStore, ChunkerSpec, Head, OwnerKeys
from farcell.volumes.chunker import make_chunker
from farcell.volumes.collection import Collection
from farcell.volumes.commits import decode_log_entry
from farcell.volumes.compression import Codec, compress, decompress
from farcell.volumes.entries import decode_entry
from farcell.volumes.errors import Damaged, UnknownFormat
from farcell.volumes.ids import Kind
from farcell.volumes.index import Index, Location, Table, make_table, merge_tables
from farcell.volumes.nodes import decode_node, encode_node
from farcell.volumes.pack import TAIL_BYTES, PackEntry, index_bytes, parse_index

from .format_samples import (
    COLLECTION,
    FILE,
    GOLDEN,
    HEAD,
    KEYS,
    LOG_ENTRY,
    ONE,
    TABLE,
    TWO,
    cut_points,
    samples,
)


def golden(name: str) -> bytes:
    return bytes.fromhex((GOLDEN / f"{name}.hex").read_text())


@pytest.mark.parametrize(("name", "data"), list(samples()), ids=[name for name, _ in samples()])
def test_what_is_written_is_what_was_agreed(name, data):
    assert data == golden(name)


def test_cut_points_are_what_they_were():
    assert cut_points() == (GOLDEN / "cut-points-fastcdc-2020.txt").read_text()


def test_golden_files_are_read():
    pack = golden("pack-1")
    size = index_bytes(pack[-TAIL_BYTES:])
    entries = parse_index(pack[-size:], len(pack), KEYS)
    assert {pack[one.offset : one.end] for one in entries} == {b"one", b"two"}
    assert {one.id for one in entries} == {ONE, TWO}
    assert Table.decode(golden("table-1"), KEYS) == TABLE
    assert decode_entry(golden("entry-1-file")) == FILE
    leaf = decode_node(golden("node-1-leaf"))
    assert (leaf.level, leaf.items[0].key) == (0, b"a\0b")  # type: ignore[union-attr]
    assert decode_node(golden("node-1-inner")).items[1].id == TWO  # type: ignore[union-attr]
    assert decode_log_entry(golden("log-entry-1")) == LOG_ENTRY
    assert Collection.decode(golden("collection-1")) == COLLECTION


def test_a_head_comes_back_and_is_never_written_twice():
    assert Head.decode(HEAD.encode()) == HEAD
    assert HEAD.encode() != HEAD.encode()


def test_what_a_newer_farcell_wrote_is_refused():
    with pytest.raises(UnknownFormat):
        Head.decode(json.dumps(json.loads(HEAD.encode()) | {"format": 2}).encode())
    with pytest.raises(UnknownFormat):
        Collection.decode(json.dumps(json.loads(COLLECTION.encode("n")) | {"format": 2}).encode())
    with pytest.raises(UnknownFormat):
        decode_node(b"\2" + encode_node(0, [])[1:])
    with pytest.raises(UnknownFormat):
        make_chunker(replace(ChunkerSpec(), algorithm="buzhash"), 1)


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_pack_s_index_is_found(position, bit):
    pack = bytearray(golden("pack-1"))
    size = index_bytes(pack[-TAIL_BYTES:])
    pack[len(pack) - size + position % size] ^= 1 << bit
    store = BucketStore(MemoryStore())
    store.put("packs/one", [bytes(pack)])
    (stored,) = store.list("packs/")
    with pytest.raises((Damaged, UnknownFormat)):
        Blobs(store, KEYS).pack_entries(stored)


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_table_is_found(position, bit):
    table = bytearray(golden("table-1"))
    table[position % len(table)] ^= 1 << bit
    with pytest.raises(Damaged):
        Table.decode(bytes(table), KEYS)


def test_owners_share_neither_names_nor_cut_points():
    other = OwnerKeys.derive(bytes(range(1, 33)))
    assert KEYS.id_of(Kind.CHUNK, b"one") != other.id_of(Kind.CHUNK, b"one")
    assert KEYS.cut_seed != other.cut_seed
    assert len({KEYS.id_of(kind, b"one") for kind in Kind}) == len(Kind)


def test_any_secret_makes_a_seed_that_the_chunker_takes():
    for number in range(200):
        make_chunker(ChunkerSpec(), OwnerKeys.derive(number.to_bytes(32, "big")).cut_seed)


def test_a_short_secret_is_refused():
    with pytest.raises(ValueError, match="at least 32"):
        OwnerKeys.derive(b"short")


@given(data=st.binary(max_size=300) | st.binary(min_size=1, max_size=4).map(lambda one: one * 20_000))
def test_compression_loses_nothing_and_never_costs_room(data):
    codec, stored = compress(data)
    assert len(stored) <= len(data)
    assert decompress(codec, stored, len(data)) == data


def test_what_does_not_compress_is_kept_as_it_is(keys):
    noise = b"".join(keys.id_of(Kind.CHUNK, b"%d" % number) for number in range(4000))
    assert compress(noise) == (Codec.PLAIN, noise)


@pytest.mark.parametrize(
    ("stored", "size"), [(b"no zstd", 7), (compress(b"a" * 100)[1], 99), (compress(b"a" * 100)[1], 1 << 40)]
)
def test_a_body_that_can_t_be_decompressed_is_damaged(stored, size):
    with pytest.raises(Damaged):
        decompress(Codec.ZSTD, stored, size)


def entry(number: int) -> PackEntry:
    return PackEntry(KEYS.id_of(Kind.CHUNK, b"%d" % number), 1, 0, 8 + number, 1, 1)


@pytest.mark.parametrize("count", [0, 1, 5, 3000])
def test_a_table_finds_all_it_has_and_nothing_else(count):
    table = make_table(Location("aa" * 16, entry(number)) for number in range(count))
    for number in range(count):
        (row,) = table.find(entry(number).id)
        assert table.at(row).entry == entry(number)
    for number in range(count, count + 50):
        assert list(table.find(entry(number).id)) == []
    assert list(table.find(bytes(32))) == []
    assert list(table.find(b"\xff" * 32)) == []


def test_ids_that_are_not_evenly_spread_are_found_too():
    ids = [bytes(31) + bytes([number]) for number in range(200)]
    table = make_table(Location("aa" * 16, PackEntry(blob, 1, 0, 8, 1, 1)) for blob in ids)  # type: ignore[arg-type]
    assert [list(table.find(blob)) for blob in ids] == [[row] for row in range(200)]


def test_merged_tables_have_what_lies_in_the_packs_named():
    first = make_table(Location("aa" * 16, entry(number)) for number in range(10))
    second = make_table(Location("bb" * 16, entry(number)) for number in range(5, 15))
    both = merge_tables([first, second, first], {"aa" * 16, "bb" * 16})
    assert len(both) == 20
    assert len(list(both.find(entry(7).id))) == 2
    assert len(merge_tables([first, second], {"bb" * 16})) == 10


def test_an_index_of_many_blobs_takes_little_room_and_forgets_packs():
    index = Index()
    for pack in range(12):
        index.add_pack(f"{pack:032x}", (entry(pack * 5000 + number) for number in range(5000)))
    assert len(index) == 60_000
    assert index.find(entry(59_999).id) is not None
    found = index.find(entry(3).id)
    assert found is not None
    assert found.pack == f"{0:032x}"
    index.forget([f"{0:032x}", f"{11:032x}"])
    assert index.find(entry(3).id) is None
    assert index.find(entry(59_999).id) is None
    assert index.find(entry(5000).id) is not None


def test_a_blob_in_two_packs_is_rather_read_from_the_one_that_stays():
    index = Index()
    index.add_table(make_table([Location("aa" * 16, entry(1))]))
    index.add_pack("bb" * 16, [entry(1)])
    index.condemned = frozenset({"aa" * 16})
    assert [one.pack for one in index.all(entry(1).id)] == ["bb" * 16, "aa" * 16]
    index.condemned = frozenset({"aa" * 16, "bb" * 16})
    assert index.lasting(entry(1).id) is None
