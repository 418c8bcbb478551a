"""What the local folder alone has to hold: order of syncs, full disks, failed syncs, processes that are killed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from farcell.volumes import LocalStore
from farcell.volumes.errors import RefMoved, StoreBroken, StoreFull


def kind_of(descriptor: int) -> str:
    path = Path(f"/proc/self/fd/{descriptor}").readlink()
    return "folder" if path.is_dir() else "file"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to the disk, in order."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        done.append(f"sync {kind_of(descriptor)}")
        fsync(descriptor)

    def noted_replace(path: Path, target: Path) -> Path:
        done.append(f"name {target.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    return done


def test_bytes_are_synced_before_they_have_a_name_and_folders_before_a_ref_moves(tmp_path, steps):
    store = LocalStore(tmp_path / "store")
    store.put("packs/ab/one", [b"1"])
    assert steps == ["sync file", "name one"]
    steps.clear()
    store.move_ref("volumes/v", b"1", None)
    moved = steps.index("name v")
    assert steps[moved - 1] == "sync file"
    assert steps[:moved].count("sync folder") >= 3  # the pack's, and those above, which are new
    assert set(steps[moved + 1 :]) == {"sync folder"}


def test_a_failed_sync_is_final(tmp_path, monkeypatch):
    store = LocalStore(tmp_path)
    ref = store.move_ref("volumes/v", b"1", None)

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(StoreBroken):
            store.put("packs/ab/one", [b"1"])
    with pytest.raises(StoreBroken):
        store.put("packs/ab/two", [b"2"])
    with pytest.raises(StoreBroken):
        store.move_ref("volumes/v", b"2", ref)
    assert LocalStore(tmp_path).read_ref("volumes/v") == ref
    assert list(LocalStore(tmp_path).list("packs/")) == []


def test_a_folder_that_fails_to_sync_moves_no_ref(tmp_path, monkeypatch):
    store, fsync = LocalStore(tmp_path), os.fsync
    store.put("packs/ab/one", [b"1"])

    def fail(descriptor: int) -> None:
        if kind_of(descriptor) == "folder":
            raise OSError(errno.EIO, "the disk is gone")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreBroken):
        store.move_ref("volumes/v", b"1", None)
    assert store.read_ref("volumes/v") is None


@pytest.mark.parametrize("written", [0, 3])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch, written):
    store, writev = LocalStore(tmp_path), os.writev

    def fill(descriptor: int, parts: list[bytes]) -> int:
        writev(descriptor, [b"".join(parts)[:written]])
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "writev", fill)
        with pytest.raises(StoreFull):
            store.put("packs/ab/one", [b"12345"])
        with pytest.raises(StoreFull):
            store.move_ref("volumes/v", b"1", None)
    assert {one.key for one in store.list("")} <= {"lock"}
    store.put("packs/ab/one", [b"12345"])  # there is room again
    assert store.get("packs/ab/one") == b"12345"


def test_a_write_that_takes_a_part_at_a_time_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "writev", lambda descriptor, parts: os.write(descriptor, b"".join(parts)[:3]))
    store = LocalStore(tmp_path)
    store.put("one", [b"hello", b" ", b"world"])
    assert store.get("one") == b"hello world"


COUNT_UP = """
import sys
from pathlib import Path
from farcell.volumes import LocalStore
from farcell.volumes.errors import RefMoved
store, done = LocalStore(Path(sys.argv[1])), 0
while done < 15:
    ref = store.read_ref("counter")
    number = 0 if ref is None else int(ref.value.split()[0])
    try:
        store.move_ref("counter", b"%d %s %d" % (number + 1, sys.argv[2].encode(), done), ref)
    except RefMoved:
        continue
    done += 1
"""


def test_processes_that_move_one_ref_lose_nothing(tmp_path):
    programs = [subprocess.Popen([sys.executable, "-c", COUNT_UP, tmp_path, str(one)]) for one in range(3)]
    assert [program.wait() for program in programs] == [0, 0, 0]
    ref = LocalStore(tmp_path).read_ref("counter")
    assert ref is not None
    assert int(ref.value.split()[0]) == 45


HOLD = """
import sys
from pathlib import Path
from farcell.volumes import LocalStore
store = LocalStore(Path(sys.argv[1]))
with store._locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_holds_no_lock(tmp_path):
    program = [sys.executable, "-c", HOLD, tmp_path]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
    store = LocalStore(tmp_path)
    first = store.move_ref("volumes/v", b"1", None)
    with pytest.raises(RefMoved):
        store.move_ref("volumes/v", b"2", None)
    assert store.read_ref("volumes/v") == first


def test_tidying_removes_what_a_killed_writer_left(tmp_path):
    store = LocalStore(tmp_path)
    (tmp_path / "incoming" / "left").write_bytes(b"half of a pack")
    store.tidy(store.now() - 3600)
    assert (tmp_path / "incoming" / "left").exists()
    store.tidy(store.now() + 3600)
    assert not (tmp_path / "incoming" / "left").exists()
