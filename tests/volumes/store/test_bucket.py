"""What a bucket adds: answers that are lost, conflicts that say nothing, answers that are cut off."""

from __future__ import annotations

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError, GenericError
from obstore.store import MemoryStore

from farcell.volumes import BucketStore
from farcell.volumes.errors import RefMoved, StoreUnavailable
from farcell.volumes.store import bucket as adapter


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> BucketStore:
    monkeypatch.setattr(adapter, "_CONFLICT_PAUSES_S", (0.0,) * 3)
    return BucketStore(MemoryStore())


def fail_once(monkeypatch, error: Exception, *, after_it_was_done: bool) -> None:
    put = obstore.put
    failures = [error]

    def failing(*arguments, **options):
        if not failures:
            return put(*arguments, **options)
        if after_it_was_done:
            put(*arguments, **options)
        raise failures.pop()

    monkeypatch.setattr(obstore, "put", failing)


def test_who_loses_against_itself_has_won(store, monkeypatch):
    """The first request was done, its answer lost, and the repeated one refused."""
    fail_once(monkeypatch, AlreadyExistsError("412"), after_it_was_done=True)
    first = store.move_ref("volumes/v", b"1", None)
    assert store.read_ref("volumes/v") == first
    fail_once(monkeypatch, AlreadyExistsError("412"), after_it_was_done=True)
    store.move_ref("volumes/v", b"2", first)


def test_a_conflict_that_nobody_won_is_tried_again(store, monkeypatch):
    fail_once(monkeypatch, AlreadyExistsError("409"), after_it_was_done=False)
    first = store.move_ref("volumes/v", b"1", None)
    fail_once(monkeypatch, AlreadyExistsError("409"), after_it_was_done=False)
    second = store.move_ref("volumes/v", b"2", first)
    assert store.read_ref("volumes/v") == second


def test_a_conflict_that_another_won_is_a_lost_race(store):
    store.move_ref("volumes/v", b"1", None)
    with pytest.raises(RefMoved):
        store.move_ref("volumes/v", b"2", None)


def test_a_store_that_only_refuses_is_named(store, monkeypatch):
    def refuse(*_, **__):
        raise AlreadyExistsError("409")

    monkeypatch.setattr(obstore, "put", refuse)
    with pytest.raises(StoreUnavailable, match="refused to move volumes/v"):
        store.move_ref("volumes/v", b"1", None)


def test_a_put_whose_answer_was_lost_is_done(store, monkeypatch):
    fail_once(monkeypatch, AlreadyExistsError("412"), after_it_was_done=True)
    store.put("packs/ab/one", [b"1"])
    assert store.get("packs/ab/one") == b"1"


def test_an_error_of_the_store_is_told_as_one(store, monkeypatch):
    fail_once(monkeypatch, GenericError("503 Slow Down"), after_it_was_done=False)
    with pytest.raises(StoreUnavailable, match="503"):
        store.put("packs/ab/one", [b"1"])
