"""Folders of the file system, put and got: whatever lies in them."""

from __future__ import annotations

import os
import random
import socket
import stat
from pathlib import Path

import pytest

from farcell.volumes import (
    Blobs,
    Entry,
    EntryKind,
    FolderGet,
    FolderPut,
    Head,
    Looks,
    Note,
    PutReport,
    StatCache,
    StatCacheWriter,
    Tree,
    Upload,
    Volume,
    Why,
    decode_entry,
    read_range,
)
from farcell.volumes.contents import write_content
from farcell.volumes.entries import set_entry
from farcell.volumes.errors import BadName
from farcell.volumes.ids import Kind
from farcell.volumes.stat_cache import LOOK_BYTES, look_at, settled
from farcell.volumes.trees import empty_tree

from .small_trees import edits_to, files_of

NOTE = Note("somebody")
LONG_AGO_S = 1_600_000_000


class Place:
    """A folder, its volume, and what it looked like when it was last put."""

    def __init__(self, blobs: Blobs, folder: Path) -> None:
        self.blobs = blobs
        self.folder = folder / "folder"
        self.folder.mkdir()
        self.volume = Volume.create(blobs, "v", NOTE)
        self.cache = folder / "looks"

    def put(self, base: Head | None = None) -> PutReport:
        """Puts and commits the folder; returns what was read."""
        head = base or self.volume.head()
        tree = self.volume.tree(head.commit)
        with (
            Upload(self.blobs) as upload,
            StatCache(self.cache, tree.root) as before,
            StatCacheWriter(self.cache) as after,
        ):
            put = FolderPut(self.folder, tree, upload, head.chunker, Looks(before, after))
            version = put.run()
            self.volume.commit(upload, head, version, NOTE)
            after.keep(version.root)
        return put.report

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def files(self) -> dict[bytes, bytes | None]:
        return files_of(self.blobs, self.volume)

    def tree(self) -> Tree:
        return self.volume.tree(self.volume.head().commit)

    def get(self, folder: Path, before: Tree | None = None, **options) -> FolderGet:
        with Upload(self.blobs) as upload:
            nothing = empty_tree(self.volume.nodes, upload)
            upload.flush()
        get = FolderGet(self.blobs, folder, **options)
        get.run(before or nothing, self.tree())
        return get


@pytest.fixture
def place(blobs: Blobs, tmp_path: Path) -> Place:
    return Place(blobs, tmp_path)


@pytest.fixture
def aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled at once."""
    monkeypatch.setattr("farcell.volumes.stat_cache._SETTLED_NS", -(10**18))


def test_a_folder_comes_back_as_it_was(place, tmp_path):
    large = random.Random(1).randbytes(3_000_000)
    place.write("deep/er/large", large)
    place.write("empty", b"")
    place.write("script", b"#!/bin/sh\n").chmod(0o751)
    os.utime(place.folder / "script", ns=(10**18, 10**18 + 123_456_789))
    (place.folder / "none").mkdir()
    (place.folder / "deep/link").symlink_to("../empty")
    place.put()
    target = tmp_path / "target"
    target.mkdir()
    place.get(target)
    assert (target / "deep/er/large").read_bytes() == large
    assert (target / "empty").read_bytes() == b""
    status = (target / "script").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o751, 10**18 + 123_456_789)
    assert (target / "none").is_dir()
    assert (target / "deep/link").readlink() == Path("../empty")


def test_what_has_not_changed_is_not_read_again(place, aged):
    for number in range(20):
        place.write(f"folder{number % 3}/{number}", b"%d" % number * 100)
    assert place.put().files_read == 20
    assert place.put().files_read == 0
    place.write("folder1/4", b"changed")
    (place.folder / "folder2/5").unlink()
    place.write("folder3/new", b"new")
    report = place.put()
    assert (report.files_read, report.files_seen) == (2, 20)
    files = place.files()
    assert files[b"folder1/4"] == b"changed"
    assert b"folder2/5" not in files
    assert files[b"folder3/new"] == b"new"
    assert place.put().files_read == 0


def test_a_file_that_was_just_written_is_read_again(place):
    """It may be written again within the same tick, and then looks the same."""
    path = place.write("one", b"first")
    place.put()
    status = path.stat()
    path.write_bytes(b"other")
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
    place.put()
    assert place.files() == {b"one": b"other"}


def test_a_file_with_an_old_time_of_change_that_was_just_written_is_no_exception(tmp_path):
    path = tmp_path / "one"
    path.write_bytes(b"first")
    os.utime(path, (LONG_AGO_S, LONG_AGO_S))
    status = path.stat()
    look = look_at(status)
    assert settled(look, status.st_ctime_ns) == bytes(LOOK_BYTES)
    assert settled(look, status.st_ctime_ns + 3 * 10**9) == look


@pytest.mark.usefixtures("aged")
def test_a_cache_of_another_version_or_a_torn_one_is_of_no_use(place):
    place.write("one", b"1")
    place.put()
    data = place.cache.read_bytes()
    for torn in (b"", data[:20], bytes(len(data))):
        place.cache.write_bytes(torn)
        assert place.put().files_read == 1
    with Upload(place.blobs) as upload:
        head = place.volume.head()
        tree = place.tree().update(upload, edits_to(upload, {}, {b"two": b"2"}))
        place.volume.commit(upload, head, tree, NOTE)
    assert place.put().files_read == 1
    assert place.files() == {b"one": b"1"}


@pytest.mark.usefixtures("aged")
def test_a_file_becomes_a_folder_and_a_folder_a_file(place, tmp_path):
    place.write("a", b"1")
    place.write("b/c", b"2")
    place.write("b/d/e", b"3")
    place.put()
    before = place.tree()
    target = tmp_path / "target"
    target.mkdir()
    place.get(target)
    (place.folder / "a").unlink()
    place.write("a/x", b"4")
    for path in ("b/d/e", "b/c"):
        (place.folder / path).unlink()
    (place.folder / "b/d").rmdir()
    (place.folder / "b").rmdir()
    place.write("b", b"5")
    place.put()
    assert place.files() == {b"a": None, b"a/x": b"4", b"b": b"5"}
    place.get(target, before, overwrite=True)
    assert (target / "a/x").read_bytes() == b"4"
    assert (target / "b").read_bytes() == b"5"


def test_names_that_are_no_text_and_names_of_255_bytes(place, tmp_path):
    names = [
        b"\xff\xfe",
        b"\xff\xff\xff\xff\xff\xff",
        b"n" * 255,
        "\N{SNOWMAN}".encode(),
        b"a\nb",
        b" ",
        b"\x01",
    ]
    for name in names:
        Path(os.fsdecode(os.fsencode(place.folder) + b"/" + name)).write_bytes(name)
    place.put()
    assert place.files() == {name: name for name in names}
    target = tmp_path / "target"
    target.mkdir()
    place.get(target)
    assert sorted(os.fsencode(path.name) for path in target.iterdir()) == sorted(names)


def test_what_is_no_file_is_named_and_left_out(place):
    place.write("file", b"1")
    os.mkfifo(place.folder / "pipe")
    (place.folder / "absolute").symlink_to("/etc/passwd")
    (place.folder / "out").symlink_to("../../secret")
    (place.folder / "d").mkdir()
    (place.folder / "d/in").symlink_to("../file")
    (place.folder / "d/out").symlink_to("../../file")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place.folder / "socket"))
        report = place.put()
    assert {(one.path, one.why) for one in report.left_out} == {
        (b"pipe", Why.PIPE),
        (b"socket", Why.SOCKET),
        (b"absolute", Why.LINK_LEAVES),
        (b"out", Why.LINK_LEAVES),
        (b"d/out", Why.LINK_LEAVES),
    }
    assert place.files().keys() == {b"file", b"d", b"d/in"}


def test_a_device_is_left_out(place):
    try:
        os.mknod(place.folder / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")
    assert place.put().left_out == [(b"null", Why.DEVICE)]


def test_sparse_files_and_hard_links(place, tmp_path):
    path = place.folder / "sparse"
    with path.open("wb") as file:
        file.truncate(40 << 20)
        file.seek(20 << 20)
        file.write(b"data")
    (place.folder / "hard").hardlink_to(path)
    place.put()
    assert sum(one.size_bytes for one in place.blobs.store.list("packs/")) < 100_000
    target = tmp_path / "target"
    target.mkdir()
    place.get(target)
    for name in ("sparse", "hard"):
        found = target / name
        assert found.read_bytes() == path.read_bytes()
        assert found.stat().st_blocks * 512 < 4 << 20
        assert found.stat().st_nlink == 1


@pytest.mark.usefixtures("aged")
def test_a_file_that_moves_while_it_is_read_is_left_for_the_next_time(place, monkeypatch):
    path = place.write("moving", b"first")
    place.write("still", b"1")
    place.put()
    path.write_bytes(b"second, and longer")
    fstat, calls = os.fstat, []

    def growing(descriptor):
        status = fstat(descriptor)
        if status.st_ino == path.stat().st_ino and not calls:
            calls.append(1)
            with path.open("ab") as file:
                file.write(b", and longer")
        return status

    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", growing)
        report = place.put()
    assert report.left_out == [(b"moving", Why.MOVING)]
    assert place.files() == {b"moving": b"first", b"still": b"1"}
    assert place.put().files_read == 1
    assert place.files()[b"moving"] == b"second, and longer, and longer"


def test_a_get_keeps_what_was_changed_here_meanwhile(place, tmp_path, aged):
    place.write("mine", b"1")
    place.write("theirs", b"1")
    place.write("gone", b"1")
    place.put()
    before, head = place.tree(), place.volume.head()
    with Upload(place.blobs) as upload:
        changed = {b"mine": b"head", b"theirs": b"head", b"new": b"head"}
        tree = before.update(upload, edits_to(upload, {b"gone": b"1"}, changed))
        place.volume.commit(upload, head, tree, NOTE)
    place.write("mine", b"changed here")
    place.write("new", b"made here")
    with StatCache(place.cache, before.root) as looks:
        get = place.get(place.folder, before, looks=looks)
    assert sorted(get.report.kept) == [b"mine", b"new"]
    assert {path.name: path.read_bytes() for path in place.folder.iterdir()} == {
        "mine": b"changed here",
        "theirs": b"head",
        "new": b"made here",
    }


def test_a_get_never_goes_through_a_link(place, tmp_path):
    place.write("folder/one", b"1")
    place.put()
    target, outside = tmp_path / "target", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    (target / "folder").symlink_to(outside)
    report = place.get(target).report
    assert list(outside.iterdir()) == []
    assert b"folder/one" in report.kept


@pytest.mark.parametrize("name", [b"../out", b"a/../../out", b"/out", b"a//b", b".", b"n" * 256])
def test_a_tree_with_a_path_that_leads_out_is_not_got(place, tmp_path, name):
    """Made by hand: no put makes one."""
    with Upload(place.blobs) as upload:
        tree = place.tree().update(upload, edits_to(upload, {}, {name: b"1"}))
        place.volume.commit(upload, place.volume.head(), tree, NOTE)
    target = tmp_path / "a" / "target"
    target.mkdir(parents=True)
    with pytest.raises(BadName):
        place.get(target)
    assert [path for path in tmp_path.rglob("*out*") if "store" not in path.parts] == []


def test_a_link_that_leads_out_is_not_got(place, tmp_path):
    with Upload(place.blobs) as upload:
        link = Entry(EntryKind.LINK, chunks=b"../../etc")
        tree = place.tree().update(upload, [set_entry(b"link", link)])
        place.volume.commit(upload, place.volume.head(), tree, NOTE)
    with pytest.raises(BadName, match="link out of its volume"):
        place.get(place.folder)


def test_a_very_deep_folder(place, tmp_path):
    deep = "/".join("d" * 2 for _ in range(400))
    place.write(f"{deep}/file", b"1")
    place.put()
    target = tmp_path / "t"
    target.mkdir()
    place.get(target)
    assert (target / deep / "file").read_bytes() == b"1"


def test_many_files_in_one_folder_cost_what_changed(place, aged):
    for number in range(3000):
        place.write(f"{number}", b"%d" % number)
    place.put()
    place.write("1500", b"changed")
    before = {one.key: one.size_bytes for one in place.blobs.store.list("packs/")}
    assert place.put().files_read == 1
    new = sum(one.size_bytes for one in place.blobs.store.list("packs/") if one.key not in before)
    assert new < 20_000


def test_long_files_are_read_by_range(place):
    data = random.Random(2).randbytes(5 << 20)
    place.write("long", data)
    place.put()
    value = place.tree().get(b"long")
    assert value is not None
    entry = decode_entry(value)
    assert entry.list_id
    for start, size in ((0, 10), (1_000_000, 2_000_000), (len(data) - 5, 5), (len(data), 0), (777_777, 1)):
        assert b"".join(read_range(place.blobs, entry, start, size)) == data[start : start + size]


def test_a_file_of_one_chunk_again_and_again_has_short_lists(blobs):
    with Upload(blobs) as upload:
        for data in (b"x", b"y", b"z"):
            chunk = upload.add(Kind.CHUNK, data * 1000)
            content = write_content(upload, ((chunk, 1000) for _ in range(20_000)))
            assert content.size_bytes == 20_000_000
            assert len(content.chunks) == 0
        assert upload.stored_bytes == 0
        upload.flush()
        assert upload.stored_bytes < 40_000
