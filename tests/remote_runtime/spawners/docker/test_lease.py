"""A lease's folder as the agent in its container finds it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from farcell.remote_runtime.agent import contained
from farcell.remote_runtime.agent.lease_folder import LeaseFolder
from farcell.remote_runtime.api import Device, GatewayId, LeaseId, SessionId
from farcell.remote_runtime.spawners.contract import ContainerSpec
from farcell.remote_runtime.spawners.docker import finish, layout
from farcell.remote_runtime.spawners.docker.lease import clear_lease, fill_lease, note_engines_log

LAUNCHER = "/farcell/agent/kernel/kernel_launcher.py"


@pytest.fixture
def spec(tmp_path: Path) -> ContainerSpec:
    folder = tmp_path / "lease"
    folder.mkdir(mode=0o700)
    return ContainerSpec(
        gateway_id=GatewayId("g"),
        session_id=SessionId("s"),
        lease_id=LeaseId("l"),
        owner="ada",
        offer="H100",
        devices=(Device("GPU-1", "H100", 80),),
        folder=folder,
        cache=tmp_path / "cache" / "ada",
        socket=tmp_path / "agents" / "gateway.sock",
        token="secret",
    )


def test_the_agent_is_told_where_things_are_in_its_container(spec):
    fill_lease(spec, LAUNCHER)
    found = LeaseFolder.read(spec.folder)
    assert (found.lease_id, found.session_id, found.gateway_id) == ("l", "s", "g")
    assert found.socket == Path("/farcell/gateway/gateway.sock")
    assert (found.home, found.work, found.run) == (
        Path("/home/farcell"),
        Path("/home/farcell/work"),
        Path("/farcell/run"),
    )
    assert (found.kernel_uid, found.launcher, found.egress) == (10001, Path(LAUNCHER), None)
    assert found.token == "secret"


def test_no_path_of_the_machines_is_in_it(spec):
    fill_lease(replace(spec, egress=spec.folder.parent / "e" / "proxy.sock"), LAUNCHER)
    told = (spec.folder / "agent.json").read_text()
    assert str(spec.folder.parent) not in told
    assert json.loads(told)["egress"] == "/farcell/egress/proxy.sock"


def test_all_of_it_is_for_the_gateways_user_alone(spec):
    fill_lease(spec, LAUNCHER)
    assert {path.name: path.stat().st_mode & 0o777 for path in spec.folder.iterdir()} == {
        "token": 0o600,
        "agent.json": 0o600,
        "container.log": 0o600,
    }


def test_the_token_does_not_outlive_its_container(spec):
    fill_lease(spec, LAUNCHER)
    clear_lease(spec.folder)
    clear_lease(spec.folder)
    assert not (spec.folder / "token").exists()


def test_why_there_never_was_an_agent_is_noted_once(spec):
    fill_lease(spec, LAUNCHER)
    note_engines_log(spec.folder, b"no such file: ld-linux\n")
    note_engines_log(spec.folder, b"something else\n")
    assert (spec.folder / "container.log").read_bytes() == b"no such file: ld-linux\n"


def test_nothing_is_noted_for_a_lease_that_is_gone(tmp_path):
    note_engines_log(tmp_path / "gone", b"said")
    assert not (tmp_path / "gone").exists()


def test_agent_and_spawner_mean_the_same_user():
    assert contained.KERNEL_UID == layout.KERNEL_UID
    assert finish.UID == layout.KERNEL_UID
