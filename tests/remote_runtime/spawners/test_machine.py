from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from farcell.remote_runtime.api import GatewayId, Image, LeaseId, SessionId, default_table
from farcell.remote_runtime.errors import BadRequest, ImageNotSupported
from farcell.remote_runtime.spawners import machine as machine_module
from farcell.remote_runtime.spawners.containment import Labels, Limits
from farcell.remote_runtime.spawners.lease_folder import Register
from farcell.remote_runtime.spawners.machine import (
    AGENT_COMMAND,
    Machine,
    ProcessSettings,
    choose_containments,
    kernel_python,
)
from farcell.remote_runtime.spawners.nvml import Nvml

from .fake_nvml import Card, FakeLibrary

TABLE = default_table()
OURS = Labels(GatewayId("here"), SessionId("s"), LeaseId("ours"))
THEIRS = Labels(GatewayId("there"), SessionId("s"), LeaseId("theirs"))
OWNERS = {7: OURS, 8: THEIRS, 9: None}


def machine(root: Path, *cards: Card, visible: str | None = None, simulate: str = "") -> Machine:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    settings = ProcessSettings(root, environment, simulate=simulate, containment="marker")
    return Machine(settings, TABLE, Nvml(FakeLibrary([*cards])))


def test_real_devices_are_offered_first_then_simulated_ones_then_the_cpu(tmp_path):
    found = machine(tmp_path, Card("GPU-1"), Card("GPU-2", "NVIDIA L40S"), simulate="T4:3").offers(
        TABLE, "process"
    )
    assert [(one.name, one.simulated, one.count_total) for one in found] == [
        ("H100", False, 1),
        ("L40S", False, 1),
        ("T4", True, 3),
        ("cpu", False, len(os.sched_getaffinity(0))),
    ]
    assert {one.spawner for one in found} == {"process"}


def test_a_machine_without_nvidia_offers_its_cpu(tmp_path):
    assert [one.name for one in machine(tmp_path).offers(TABLE, "process")] == ["cpu"]


@pytest.mark.parametrize(
    ("pid", "is_free"), [(7, 1), (8, 0), (9, 0)], ids=["ours", "another gateway's", "nobody's"]
)
def test_a_device_on_which_others_compute_is_taken(tmp_path, monkeypatch, pid, is_free):
    monkeypatch.setattr(machine_module, "labels_of", OWNERS.get)
    Register(tmp_path).add(OURS, tmp_path)
    offer = machine(tmp_path, Card("GPU-1", pids=(pid,)), Card("GPU-2")).offers(TABLE, "process")[0]
    assert (offer.count_total, offer.count_free) == (2, 1 + is_free)


def test_devices_that_are_hidden_from_the_gateway_are_not_offered(tmp_path):
    offer = machine(tmp_path, Card("GPU-1"), Card("GPU-2"), visible="1").offers(TABLE, "process")[0]
    assert [device.uuid for device in offer.devices] == ["GPU-2"]


def test_a_container_that_was_never_started_has_no_state(tmp_path):
    assert machine(tmp_path).state(OURS) is None


def test_the_interpreter_is_this_one_unless_the_image_names_another(tmp_path):
    other = tmp_path / "python"
    other.symlink_to(sys.executable)
    assert kernel_python(Image()) == sys.executable
    assert kernel_python(Image(python=str(other))) == str(other)


@pytest.mark.parametrize("python", ["python3", "/", "/nowhere/python", "plain file"])
def test_an_interpreter_that_is_none_is_refused(tmp_path, python):
    (tmp_path / "plain file").touch(mode=0o600)
    asked = str(tmp_path / python) if python == "plain file" else python
    with pytest.raises(ImageNotSupported, match=python):
        kernel_python(Image(python=asked))


def test_the_agent_is_not_taken_from_the_users_working_folder():
    assert "-P" in AGENT_COMMAND


def test_containments_are_chosen_by_name(tmp_path):
    def names(containment: str) -> list[str]:
        return [
            one.name for one in choose_containments(ProcessSettings(tmp_path, {}, containment=containment))
        ]

    assert names("marker") == ["marker"]
    assert names("auto")[-1] == "marker"


def test_a_containment_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(BadRequest, match="'jail'"):
        choose_containments(ProcessSettings(tmp_path, {}, containment="jail"))


def test_a_cgroup_that_can_not_be_had_is_refused_by_name_and_done_without_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(machine_module.CgroupContainment, "here", lambda limits: None)
    with pytest.raises(BadRequest, match="'auto'"):
        choose_containments(ProcessSettings(tmp_path, {}, containment="cgroup"))
    assert [one.name for one in choose_containments(ProcessSettings(tmp_path, {}))] == ["marker"]


def test_limits_that_nothing_holds_are_named_in_the_log(tmp_path, caplog):
    caplog.set_level("INFO")
    choose_containments(ProcessSettings(tmp_path, {}, containment="marker", limits=Limits(9, 1 << 30)))
    assert "['pids.max', 'memory.max']" in caplog.text


def test_a_simulate_that_can_not_be_read_is_refused_at_once(tmp_path):
    with pytest.raises(BadRequest, match="H100:2"):
        machine(tmp_path, simulate="H100:many")
