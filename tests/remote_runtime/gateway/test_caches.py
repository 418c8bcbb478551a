"""Users' caches: what goes as a whole, what goes first, what nobody in a container can do by them."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.gateway import cache_folder
from farcell.remote_runtime.gateway.cache_eviction import (
    GROWS_BYTES,
    RELATIME_S,
    CacheEntry,
    oldest,
    protected_since,
    too_much,
    who_fills,
)
from farcell.remote_runtime.gateway.cache_keeper import CacheKeeper
from farcell.remote_runtime.spawners.caches import cache_environment, entry_of

from .conftest import House
from .faces import Face, until
from .played_agent import lease_of, token_of

KIB = 1 << 10
NEVER = float("inf")


def entry(name: str, size: int, used: float, *, bottomless: bool = False) -> CacheEntry:
    return CacheEntry((name,), size, used, bottomless)


# --- what goes as a whole ---


@pytest.mark.parametrize(
    ("file", "whole"),
    [
        ("huggingface/hub/models--a--b/blobs/0f", "huggingface/hub/models--a--b"),
        ("huggingface/hub/models--a--b/snapshots/1/x.bin", "huggingface/hub/models--a--b"),
        ("huggingface/datasets/squad/1/x.arrow", "huggingface/datasets/squad"),
        ("huggingface/xet/chunks/1", "huggingface/xet"),
        ("huggingface/token", "huggingface/token"),
        ("torch/hub/checkpoints/resnet.pth", "torch/hub/checkpoints/resnet.pth"),
        ("torch/hub/pytorch_vision_main/a.py", "torch/hub/pytorch_vision_main"),
        ("pip/http-v2/0/f/3/a/1/0f3a1.body", "pip/http-v2/0/f"),
        ("pip/http-v2/0/f/3/a/1/0f3a1", "pip/http-v2/0/f"),
        ("pip/wheels/0f/3a/77/rest/x.whl", "pip/wheels/0f/3a"),
        ("uv/archive-v0/xyz/torch/__init__.py", "uv"),
        ("uv/wheels-v5/pypi/torch/x", "uv"),
        ("cuda/5/2/0f", "cuda"),
        ("matplotlib/fontlist.json", "matplotlib"),
        ("a-file", "a-file"),
    ],
)
def test_a_part_goes_with_what_would_be_broken_without_it(file: str, whole: str):
    assert "/".join(entry_of(tuple(file.split("/")))) == whole


def test_programs_are_told_of_the_folders_that_are_known(tmp_path: Path):
    told = cache_environment(tmp_path)
    assert told["HF_HOME"] == str(tmp_path / "huggingface")
    assert told["XDG_CACHE_HOME"] == str(tmp_path)
    assert {"TORCH_HOME", "PIP_CACHE_DIR", "UV_CACHE_DIR", "CUDA_CACHE_PATH"} <= told.keys()


# --- what goes first ---


def test_a_cache_within_its_limit_stays():
    assert too_much([entry("a", 100, 1)], 100, 100, NEVER) == []


def test_of_a_cache_that_is_too_large_the_longest_unused_goes():
    entries = [entry("new", 50, 3), entry("old", 30, 1), entry("middle", 40, 2)]
    assert [one.path[0] for one in too_much(entries, 120, 100, NEVER)] == ["old"]
    assert [one.path[0] for one in too_much(entries, 120, 60, NEVER)] == ["old", "middle"]


def test_what_a_running_lease_may_have_opened_stays():
    since = protected_since([10 * RELATIME_S, 20 * RELATIME_S])
    entries = [entry("used", 100, 9.5 * RELATIME_S), entry("unused", 100, 8.5 * RELATIME_S)]
    assert [one.path[0] for one in too_much(entries, 200, 0, since)] == ["unused"]
    assert protected_since([]) == NEVER


def test_a_folder_without_a_bottom_goes_whatever_it_takes():
    assert [one.path[0] for one in too_much([entry("deep", 0, 9, bottomless=True)], 0, 100, 1)] == ["deep"]


@given(
    st.lists(st.builds(entry, st.text(), st.integers(0, 100), st.floats(0, 100))),
    st.integers(0, 500),
    st.floats(0, 100),
)
def test_enough_goes_and_nothing_more_recent_than_what_stays(
    entries: list[CacheEntry], need: int, since: float
):
    gone = oldest(entries, need, since)
    left = [one for one in entries if one not in gone]
    assert all(one.last_used < since for one in gone)
    assert sum(one.size_bytes for one in gone) >= need or all(one.last_used >= since for one in left)
    assert sum(one.size_bytes for one in gone[:-1]) < need or not gone


def test_who_fills_the_disk():
    before, now = (
        {"ada": 0, "bob": 0, "eve": 0},
        {"ada": GROWS_BYTES, "bob": 3 * GROWS_BYTES, "eve": 9 * GROWS_BYTES},
    )
    assert who_fills(before, now, ["ada", "bob"]) == ("bob", 3 * GROWS_BYTES)
    assert who_fills(now, now, ["ada", "bob", "eve"]) is None
    assert who_fills(before, now, []) is None
    assert who_fills({}, now, ["eve"]) is None, "it may have been so large before"


# --- on disk ---


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    path = tmp_path / "cache" / "ada"
    path.mkdir(parents=True)
    return path


def put(cache: Path, name: str, size: int = 64 * KIB, used: float = 1000.0) -> Path:
    path = cache / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (used, used))
    return path


def found(cache: Path) -> dict[str, CacheEntry]:
    return {"/".join(one.path): one for one in cache_folder.look(cache).entries}


def test_entries_have_the_size_and_the_newest_use_of_all_their_files(cache: Path):
    put(cache, "huggingface/hub/models--a/blobs/1", used=10)
    put(cache, "huggingface/hub/models--a/blobs/2", used=30)
    put(cache, "matplotlib/fonts", used=20)
    models, fonts = found(cache)["huggingface/hub/models--a"], found(cache)["matplotlib"]
    assert (models.size_bytes, models.last_used) == (128 * KIB, 30)
    assert (fonts.size_bytes, fonts.last_used) == (64 * KIB, 20)
    assert cache_folder.look(cache).total_bytes == 192 * KIB


def test_a_second_name_of_a_file_takes_nothing(cache: Path):
    put(cache, "uv/archive-v0/a")
    (cache / "uv" / "again").hardlink_to(cache / "uv/archive-v0/a")
    assert found(cache)["uv"].size_bytes == 64 * KIB


def test_a_links_target_is_neither_counted_nor_removed(cache: Path, tmp_path: Path):
    outside = put(tmp_path, "outside/precious", size=KIB << 10)
    (cache / "link").symlink_to(outside.parent)
    (cache / "huggingface").symlink_to(tmp_path)
    use = cache_folder.look(cache)
    assert use.total_bytes < 64 * KIB
    for one in use.entries:
        assert cache_folder.remove(cache, one)
    assert outside.exists()
    assert not [*cache.iterdir()]


def test_a_folder_that_becomes_a_link_after_the_look_leads_nowhere(cache: Path, tmp_path: Path):
    put(cache, "huggingface/hub/models--a/blobs/1")
    victim = put(tmp_path, "victim/hub/models--a/blobs/1")
    (one,) = cache_folder.look(cache).entries
    (cache / "huggingface").rename(tmp_path / "moved")
    (cache / "huggingface").symlink_to(tmp_path / "victim")
    assert not cache_folder.remove(cache, one)
    assert victim.exists()


def test_what_is_gone_meanwhile_is_no_trouble(cache: Path):
    path = put(cache, "a-file")
    (one,) = cache_folder.look(cache).entries
    path.unlink()
    assert not cache_folder.remove(cache, one)
    assert cache_folder.look(cache / "nobody's").total_bytes == 0


@pytest.mark.parametrize("name", [b"\xff\xfe", b"-rf", b"a\nb", b"--", b" ", b"x" * 255])
def test_no_name_is_special(cache: Path, name: bytes):
    path = Path(os.fsdecode(os.fsencode(cache) + b"/" + name))
    path.mkdir()
    put(path, "file")
    (one,) = cache_folder.look(cache).entries
    assert cache_folder.remove(cache, one)
    assert not [*cache.iterdir()]


def test_a_folder_of_many_levels_is_bottomless_and_goes_whole(cache: Path):
    here = os.open(cache, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (one,) = cache_folder.look(cache).entries
    assert one.bottomless
    assert cache_folder.remove(cache, one)
    assert not [*cache.iterdir()]
    assert not [*(cache.parent / cache_folder.TRASH).iterdir()]


def test_who_one_is_at_hugging_face_stays(cache: Path):
    put(cache, "huggingface/token", size=40)
    assert cache_folder.look(cache).entries == []


def test_what_a_gateway_before_this_left_in_the_trash_goes(cache: Path):
    put(cache.parent / cache_folder.TRASH, "0f/file")
    cache_folder.empty_trash(cache.parent)
    assert not [*(cache.parent / cache_folder.TRASH).iterdir()]
    assert cache_folder.owners(cache.parent) == ["ada"]


# --- in a gateway ---


def owner_of(house: House) -> str:
    (live,) = house.gateway.keeper.live.values()
    return live.owner


def keeper(
    house: House, *, cache_bytes: int = 1 << 40, min_free_bytes: int = 0, free=lambda _: 1 << 40
) -> CacheKeeper:
    folder = house.gateway.keeper.folders.caches
    return CacheKeeper(
        folder, house.gateway.keeper, cache_bytes=cache_bytes, min_free_bytes=min_free_bytes, free_bytes=free
    )


async def start(house: House, ada: Face) -> str:
    session_id = (await ada.session()).json["id"]
    await token_of(house, await lease_of(ada, session_id))
    return str(session_id)


async def test_a_lease_keeps_what_it_uses_and_its_end_gives_it_free(house: House, ada: Face):
    session_id = await start(house, ada)
    cache = house.gateway.keeper.folders.cache(owner_of(house))
    old = put(cache, "old/file", used=1000)
    new = put(cache, "new/file", used=time.time())
    caches = keeper(house, cache_bytes=0)
    await caches.look()
    assert (old.exists(), new.exists()) == (False, True)
    await ada.delete(f"/farcell/v1/sessions/{session_id}")
    await caches.look()
    assert not new.exists()


async def test_the_end_of_a_lease_tidies_its_owners_cache(house: House, ada: Face):
    session_id = await start(house, ada)
    house.gateway.caches._cache_bytes = 0
    file = put(house.gateway.keeper.folders.cache(owner_of(house)), "new/file", used=time.time())
    await ada.delete(f"/farcell/v1/sessions/{session_id}")
    await until(lambda: not file.exists())


async def test_a_disk_that_is_nearly_full_empties_caches_first(house: House, ada: Face):
    await start(house, ada)
    caches = house.gateway.keeper.folders.caches
    file = put(caches / "gone-long-ago", "model/file", used=1000)
    await keeper(house, min_free_bytes=100, free=lambda _: 0 if file.exists() else 100).guard()
    assert not file.exists()
    assert house.gateway.keeper.live, "nobody had to be stopped"


async def test_who_fills_the_disk_through_her_cache_is_stopped_and_told_why(house: House, ada: Face):
    session_id = await start(house, ada)
    cache = house.gateway.keeper.folders.cache(owner_of(house))
    free = [90 << 20]
    caches = keeper(house, min_free_bytes=100 << 20, free=lambda _: free[0])
    await caches.look()
    await caches.guard()
    assert house.gateway.keeper.live, "her cache did not grow"
    free[0] = 0
    with (cache / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, GROWS_BYTES + (1 << 20))
    await caches.guard()
    session = (await ada.get(f"/farcell/v1/sessions/{session_id}")).json
    assert session["state"] == "stopped"
    assert (
        "disk is nearly full, and the cache of your sessions grew by 0.1 GB" in session["lease"]["end_detail"]
    )


async def test_who_fills_the_disk_slowly_is_stopped_too(house: House, ada: Face):
    await start(house, ada)
    cache = house.gateway.keeper.folders.cache(owner_of(house))
    free = [90 << 20]
    caches = keeper(house, min_free_bytes=100 << 20, free=lambda _: free[0])
    for number in range(10):
        await caches.guard()
        with (cache / f"filler-{number}").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, GROWS_BYTES // 4)
        free[0] -= GROWS_BYTES // 4
    assert not house.gateway.keeper.live


async def test_a_full_disk_is_looked_through_again_only_when_it_gets_fuller(
    house: House, ada: Face, monkeypatch
):
    await start(house, ada)
    looks: list[Path] = []
    real = cache_folder.look
    monkeypatch.setattr(cache_folder, "look", lambda cache: looks.append(cache) or real(cache))
    free = [10 << 20]
    caches = keeper(house, min_free_bytes=100 << 20, free=lambda _: free[0])
    for _ in range(3):
        await caches.guard()
    assert len(looks) == 1
    free[0] -= 20 << 20
    await caches.guard()
    assert len(looks) == 2


async def test_a_disk_with_room_is_not_looked_through(
    house: House, ada: Face, monkeypatch: pytest.MonkeyPatch
):
    await start(house, ada)
    monkeypatch.setattr(cache_folder, "look", None)
    await keeper(house, min_free_bytes=100).guard()


async def test_files_that_come_and_go_disturb_no_look(cache: Path):
    async def churn() -> None:
        for number in range(300):
            with suppress(FileNotFoundError):  # removed with its folder
                path = put(cache, f"d{number % 7}/e/{number}")
                if number % 3:
                    path.unlink()
            await asyncio.sleep(0)

    churning = asyncio.create_task(churn())
    while not churning.done():
        use = await asyncio.to_thread(cache_folder.look, cache)
        for one in use.entries[:2]:
            await asyncio.to_thread(cache_folder.remove, cache, one)
    await churning
