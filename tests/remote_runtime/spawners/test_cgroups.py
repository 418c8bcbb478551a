from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from farcell.remote_runtime.api import GatewayId, LeaseId, SessionId
from farcell.remote_runtime.spawners import cgroups, procfs
from farcell.remote_runtime.spawners.cgroups import CgroupContainment, Mount, find_mount
from farcell.remote_runtime.spawners.containment import Labels, Limits

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
UNIFIED = """\
24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
"""
BOUND = """\
35 24 0:30 /docker/c0ffee /mnt/my\\040groups ro,nosuid master:9 - cgroup2 cgroup2 rw
"""
LABELS = Labels(GatewayId("test-gateway"), SessionId("session"), LeaseId(f"test-{os.getpid()}"))


@pytest.mark.parametrize(
    ("mountinfo", "point", "root"),
    [
        (HYBRID, "/sys/fs/cgroup/unified", "/"),
        (UNIFIED, "/sys/fs/cgroup", "/"),
        (BOUND, "/mnt/my groups", "/docker/c0ffee"),
    ],
)
def test_the_mount_is_found_wherever_it_is(mountinfo, point, root):
    assert find_mount(mountinfo) == Mount(Path(point), PurePosixPath(root))


def test_a_machine_with_version_1_alone_has_no_mount():
    assert find_mount(HYBRID.rsplit("\n", 2)[0]) is None


@pytest.mark.parametrize(
    ("root", "cgroup", "folder"),
    [
        ("/", "/", "/mnt"),
        ("/", "/user.slice/app.scope", "/mnt/user.slice/app.scope"),
        ("/docker/c0ffee", "/docker/c0ffee/job", "/mnt/job"),
        ("/docker/c0ffee", "/docker/other", None),
        ("/", "/../../system.slice", None),
    ],
)
def test_a_cgroup_is_a_folder_below_the_mount(root, cgroup, folder):
    found = Mount(Path("/mnt"), PurePosixPath(root)).folder(PurePosixPath(cgroup))
    assert found == (Path(folder) if folder else None)


@pytest.fixture
def containment(require: Any) -> Iterator[CgroupContainment]:
    found = CgroupContainment.here(Limits())
    require("a writable cgroup", "holds containers together", found=found is not None)
    assert found is not None
    yield found
    while found.kill(LABELS.lease_id):
        pass


def enter(group: Path, *names: str) -> subprocess.Popen[bytes]:
    """A process in a cgroup below `group`."""
    inner = group.joinpath(*names)
    inner.mkdir(parents=True, exist_ok=True)
    script = f"open('{inner}/cgroup.procs', 'w').write('0'); print(flush=True); import time; time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    return process


def test_probing_leaves_nothing_behind(containment):
    assert not list(containment.base.glob("farcell-probe*"))


def test_an_enclosure_is_listed_while_it_is_there(containment):
    containment.enclose(LABELS)
    assert containment.members()[LABELS] == set()
    containment.enclose(LABELS)
    assert containment.kill(LABELS.lease_id) is False
    assert LABELS not in containment.members()


def test_what_is_in_a_group_of_the_enclosure_is_a_member_and_ends_with_it(containment):
    group = containment.enclose(LABELS)
    outer, inner = enter(group), enter(group, "made", "inside")
    assert containment.members()[LABELS] == {outer.pid, inner.pid}
    while containment.kill(LABELS.lease_id):
        pass
    assert (outer.wait(), inner.wait()) == (-9, -9)
    assert not group.exists()


def test_an_enclosure_that_was_made_from_another_cgroup_is_found_by_its_processes(containment):
    elsewhere = containment.base / f"test-elsewhere-{os.getpid()}"
    elsewhere.mkdir()
    try:
        process = enter(CgroupContainment(containment._mount, elsewhere, Limits()).enclose(LABELS))
        assert containment.members()[LABELS] == {process.pid}
        while containment.kill(LABELS.lease_id):
            pass
        assert process.wait() == -9
        assert not list(elsewhere.glob("farcell.*"))
    finally:
        elsewhere.rmdir()


def test_limits_are_written_where_a_controller_holds_them_and_named_where_none_does(tmp_path):
    (tmp_path / "cgroup.subtree_control").write_text("cpu pids")
    group = tmp_path / LABELS.name
    group.mkdir()
    (group / "pids.max").write_text("max")
    containment = CgroupContainment(Mount(tmp_path, PurePosixPath("/")), tmp_path, Limits(77, 1 << 30))
    (tmp_path / "cgroup.subtree_control").write_text("cpu pids")
    assert containment.enclose(LABELS) == group
    assert (group / "pids.max").read_text() == "77"
    assert containment.unheld_limits == ["memory.max"]


def test_a_delegated_parent_is_used_so_that_controllers_can_be(containment, monkeypatch):
    """As under systemd with ``Delegate=yes`` and ``DelegateSubgroup=gateway``."""
    service = containment.base / f"test-service-{os.getpid()}"
    gateway = service / "gateway"
    gateway.mkdir(parents=True)
    try:
        os.setxattr(service, "user.delegate", b"1")
        own = PurePosixPath("/", gateway.relative_to(containment._mount.point))
        monkeypatch.setattr(procfs, "cgroup", lambda pid: own)
        found = CgroupContainment.here(Limits())
        assert found is not None
        assert found.base == service
    finally:
        gateway.rmdir()
        service.rmdir()


def test_where_no_group_can_be_made_there_is_no_such_containment(monkeypatch, tmp_path):
    monkeypatch.setattr(cgroups, "find_mount", lambda text: Mount(tmp_path, PurePosixPath("/")))
    assert CgroupContainment.here(Limits()) is None
    assert not list(tmp_path.iterdir())
