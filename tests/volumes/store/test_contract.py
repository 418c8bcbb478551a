"""What every store does, whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from farcell.volumes import Store
from farcell.volumes.errors import ObjectMissing, RefMoved, StoreUnavailable


def keys_of(store: Store, prefix: str) -> set[str]:
    return {one.key for one in store.list(prefix)}


def test_what_was_put_is_read_whole_and_by_range(store: Store):
    store.put("packs/ab/one", [b"hello ", b"", b"world"])
    assert store.get("packs/ab/one") == b"hello world"
    assert store.get_range("packs/ab/one", 3, 5) == b"lo wo"
    assert store.get_range("packs/ab/one", 0, 11) == b"hello world"


def test_a_put_of_very_many_parts_is_whole(store: Store):
    parts = [b"%d," % number for number in range(5000)]
    store.put("many", parts)
    assert store.get("many") == b"".join(parts)


def test_an_empty_object_is_one(store: Store):
    store.put("empty", [])
    assert store.get("empty") == b""


def test_what_is_missing_is_told(store: Store):
    with pytest.raises(ObjectMissing):
        store.get("nothing")
    with pytest.raises(ObjectMissing):
        store.get_range("nothing", 0, 1)


def test_a_range_behind_the_end_is_never_answered_with_less(store: Store):
    store.put("short", [b"abc"])
    with pytest.raises(StoreUnavailable):
        store.get_range("short", 1, 5)


def test_lists_name_size_and_time_of_what_begins_so(store: Store):
    before = store.now()
    store.put("packs/aa/1", [b"12345"])
    store.put("packs/ab/2", [b""])
    store.put("index/3", [b"1"])
    assert keys_of(store, "packs/") == {"packs/aa/1", "packs/ab/2"}
    assert keys_of(store, "packs/ab/2") == {"packs/ab/2"}
    (one,) = store.list("packs/aa/1")
    assert one.size_bytes == 5
    assert before - 1 <= one.modified_at <= store.now() + 1  # S3 tells whole seconds
    assert keys_of(store, "nothing/") == set()


def test_a_delete_of_something_missing_is_silent(store: Store):
    store.put("one", [b"1"])
    store.delete("one")
    store.delete("one")
    with pytest.raises(ObjectMissing):
        store.get("one")


def test_its_clock_does_not_go_back_and_leaves_nothing(store: Store):
    first = store.now()
    assert store.now() >= first
    assert keys_of(store, "") <= {"lock"}


def test_a_ref_that_was_never_moved_is_none(store: Store):
    assert store.read_ref("volumes/one") is None


def test_a_ref_moves_from_what_it_is_and_from_nothing_else(open_store: Callable[[], Store]):
    store, other = open_store(), open_store()
    first = store.move_ref("volumes/one", b"1", None)
    assert other.read_ref("volumes/one") == first
    second = other.move_ref("volumes/one", b"2", first)
    for stale in (first, None):
        with pytest.raises(RefMoved):
            store.move_ref("volumes/one", b"3", stale)
    assert store.read_ref("volumes/one") == second
    assert second.value == b"2"


def test_a_ref_that_was_deleted_moves_no_more(store: Store):
    first = store.move_ref("volumes/one", b"1", None)
    store.delete("volumes/one")
    with pytest.raises(RefMoved):
        store.move_ref("volumes/one", b"2", first)
    assert store.read_ref("volumes/one") is None


def test_refs_are_listed(store: Store):
    store.move_ref("volumes/one", b"1", None)
    store.move_ref("volumes/two", b"1", None)
    assert keys_of(store, "volumes/") == {"volumes/one", "volumes/two"}


def test_of_those_who_move_a_ref_at_once_one_wins_each_time(open_store: Callable[[], Store]):
    """Each adds one as often as it is to, and no addition is lost."""
    writers, each = 4, 5

    def add(store: Store) -> None:
        done = 0
        while done < each:
            ref = store.read_ref("counter")
            number = 0 if ref is None else int(ref.value.split()[0])
            try:
                store.move_ref("counter", b"%d %d %d" % (number + 1, id(store), done), ref)
            except RefMoved:
                continue
            done += 1

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(add, [open_store() for _ in range(writers)]))
    ref = open_store().read_ref("counter")
    assert ref is not None
    assert int(ref.value.split()[0]) == writers * each


def test_tidying_keeps_what_was_put(store: Store):
    store.put("packs/ab/one", [b"1"])
    store.tidy(store.now() + 60)
    assert store.get("packs/ab/one") == b"1"
