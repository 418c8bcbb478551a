from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from farcell.remote_runtime.api import Device, GatewayId, LeaseId, SessionId
from farcell.remote_runtime.errors import StartFailed
from farcell.remote_runtime.spawners.containment import Labels
from farcell.remote_runtime.spawners.contract import ContainerSpec
from farcell.remote_runtime.spawners.lease_folder import LONGEST_RUN_FOLDER, LeaseFolder, Register

LABELS = Labels(GatewayId("gateway"), SessionId("session"), LeaseId("lease"))


def spec(folder: Path) -> ContainerSpec:
    return ContainerSpec(
        gateway_id=LABELS.gateway_id,
        session_id=LABELS.session_id,
        lease_id=LABELS.lease_id,
        owner="ada",
        offer="H100",
        devices=(Device("GPU-1", "H100", 80, simulated=False),),
        folder=folder,
        cache=folder / "cache",
        socket=Path("/run/gateway.sock"),
        token="secret",
    )


@pytest.fixture
def short() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="far-") as folder:
        yield Path(folder)


@pytest.fixture
def long(short: Path) -> Path:
    folder = short / ("long" * 20)
    folder.mkdir()
    return folder


def test_the_agents_settings_are_all_that_it_needs(short):
    folder = LeaseFolder(short, LABELS.lease_id)
    folder.fill(spec(short), "/usr/bin/python3")
    assert json.loads(folder.settings.read_text()) == {
        "gateway_id": "gateway",
        "session_id": "session",
        "lease_id": "lease",
        "socket": "/run/gateway.sock",
        "token_file": f"{short}/token",
        "python": "/usr/bin/python3",
        "home": f"{short}/home",
        "work": f"{short}/work",
        "run": f"{short}/run",
        "log": f"{short}/container.log",
        "devices": [
            {"uuid": "GPU-1", "gpu": "H100", "memory_bytes": 80, "simulated": False, "foreign": False}
        ],
        "egress": None,
        "kernel_uid": None,
        "launcher": None,
        "apt": False,
    }
    assert folder.token.read_text() == "secret"


def test_nobody_else_reads_any_of_it(short):
    folder = LeaseFolder(short, LABELS.lease_id)
    folder.fill(spec(short), "/usr/bin/python3")
    made = (folder.home, folder.work, folder.run, folder.token, folder.settings, folder.log)
    assert not any(path.stat().st_mode & 0o077 for path in made)


def test_a_token_that_lay_there_with_another_mode_is_replaced(short):
    (short / "token").write_text("an older and longer secret")
    folder = LeaseFolder(short, LABELS.lease_id)
    folder.fill(spec(short), "/usr/bin/python3")
    assert (folder.token.read_text(), folder.token.stat().st_mode & 0o777) == ("secret", 0o600)


def test_a_token_is_never_written_through_a_link(short):
    (short / "elsewhere").touch()
    (short / "token").symlink_to(short / "elsewhere")
    LeaseFolder(short, LABELS.lease_id).fill(spec(short), "/usr/bin/python3")
    assert not (short / "elsewhere").read_text()


def test_files_of_the_working_folder_stay(short):
    (short / "work").mkdir()
    (short / "work" / "data").write_text("kept")
    folder = LeaseFolder(short, LABELS.lease_id)
    folder.fill(spec(short), "/usr/bin/python3")
    folder.clear()
    assert (short / "work" / "data").read_text() == "kept"


def test_sockets_lie_in_the_folder_where_its_path_is_short(short):
    assert LeaseFolder(short, LABELS.lease_id).run == short / "run"


def test_sockets_lie_in_a_short_folder_otherwise_and_are_cleared_from_there(long):
    folder = LeaseFolder(long, LABELS.lease_id)
    assert len(os.fsencode(folder.run)) <= LONGEST_RUN_FOLDER
    assert folder.run == LeaseFolder(long, LABELS.lease_id).run
    folder.fill(spec(long), "/usr/bin/python3")
    (folder.run / "socket").touch()
    assert folder.run.stat().st_mode & 0o777 == 0o700
    folder.clear()
    assert not folder.run.exists()
    folder.clear()


@pytest.mark.parametrize("trap", ["link", "open"])
def test_a_folder_for_sockets_that_somebody_else_may_use_is_refused(long, short, trap):
    folder = LeaseFolder(long, LABELS.lease_id)
    if trap == "link":
        folder.run.symlink_to(short)
    else:
        folder.run.mkdir(mode=0o777)
        folder.run.chmod(0o777)
    with pytest.raises(StartFailed, match="not this user's alone"):
        folder.fill(spec(long), "/usr/bin/python3")
    folder.run.unlink() if trap == "link" else folder.run.rmdir()


def test_the_register_holds_what_was_added_until_it_is_removed(tmp_path, short):
    register = Register(tmp_path / "containers")
    assert register.labels() == set()
    register.add(LABELS, short)
    register.add(LABELS, short)
    again = Register(tmp_path / "containers")
    assert again.labels() == {LABELS}
    assert again.holds(LABELS)
    found = again.folder(LABELS.lease_id)
    assert found is not None
    assert found.path == short
    again.remove(LABELS.lease_id)
    again.remove(LABELS.lease_id)
    assert not register.holds(LABELS)
    assert register.folder(LABELS.lease_id) is None


def test_the_register_holds_a_container_whose_folder_has_gone(tmp_path):
    register = Register(tmp_path)
    register.add(LABELS, tmp_path / "nowhere")
    assert register.labels() == {LABELS}


def test_other_files_beside_the_register_are_nobodys(tmp_path):
    (tmp_path / "farcell.log").touch()
    (tmp_path / ".farcell.a.b.c.swp").touch()
    assert Register(tmp_path).labels() == set()
