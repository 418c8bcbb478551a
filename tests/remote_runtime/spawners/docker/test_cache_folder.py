"""The owner's cache: the gateway's user and the kernel's both write there, whoever made what."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from farcell.remote_runtime.spawners.docker.cache_folder import share_cache

KERNEL, GATEWAY = 10001, 10002


def run(command: str, uid: int, folder: Path) -> None:
    script = ["/bin/sh", "-c", f"umask 022; {command}"]
    subprocess.run(script, cwd=folder, user=uid, group=uid, extra_groups=[], check=True)


@pytest.fixture
def shared(monkeypatch, require):
    """As an ordinary user's gateway shares it."""
    require("root", "plays two users", found=os.geteuid() == 0)
    folder = Path(tempfile.mkdtemp(prefix="farcell-cache-"))
    folder.chmod(0o755)
    monkeypatch.setattr(os, "getuid", lambda: GATEWAY)
    cache = folder / "cache"
    share_cache(cache, KERNEL)
    os.chown(cache, GATEWAY, GATEWAY)
    yield cache
    shutil.rmtree(folder)


def test_sharing_twice_changes_nothing(tmp_path):
    share_cache(tmp_path / "cache", KERNEL)
    before = (tmp_path / "cache").stat()
    share_cache(tmp_path / "cache", KERNEL)
    assert (tmp_path / "cache").stat().st_ctime_ns == before.st_ctime_ns
    assert before.st_mode & 0o777 == 0o777


@pytest.mark.parametrize(("maker", "other"), [(KERNEL, GATEWAY), (GATEWAY, KERNEL)])
def test_what_one_makes_the_other_reads_changes_and_removes(shared, maker, other):
    run("mkdir -p a/b && echo x > a/b/file", maker, shared)
    run("grep -q x a/b/file && echo y >> a/b/file && rm -r a", other, shared)
    assert not list(shared.iterdir())
