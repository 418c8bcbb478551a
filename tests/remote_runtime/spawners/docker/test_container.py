"""What is asked of the engine for a lease."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from farcell.remote_runtime.api import Device, GatewayId, Isolation, LeaseId, SessionId, Walls
from farcell.remote_runtime.errors import BadRequest, ImageNotSupported
from farcell.remote_runtime.spawners.contract import ContainerSpec
from farcell.remote_runtime.spawners.docker.container import (
    ContainerSettings,
    ExtraMount,
    Limits,
    create_body,
    image_environment,
)

TOKEN = "a-token-that-nobody-else-may-see"
SPEC = ContainerSpec(
    gateway_id=GatewayId("gate"),
    session_id=SessionId("sess"),
    lease_id=LeaseId("lease"),
    owner="ada",
    offer="H100",
    devices=(),
    folder=Path("/g/leases/lease"),
    cache=Path("/g/cache/ada"),
    socket=Path("/g/agents/gateway.sock"),
    token=TOKEN,
)
SETTINGS = ContainerSettings(
    agent=Path("/g/agent-environments/agent-1"),
    command=("/farcell/agent/bin/python", "-m", "agent"),
    image="farcell-image:1",
    runtimes={Isolation.CONTAINER: "", Isolation.SANDBOX: "runsc"},
    limits=Limits(memory_bytes=4 << 30, cpus=1.5, pids=100, disk_bytes=2 << 30, shm_bytes=1 << 30),
)
CARD = Device("GPU-aa", "H100", 80 << 30)


def host(spec: ContainerSpec = SPEC, settings: ContainerSettings = SETTINGS) -> dict:
    return create_body(spec, settings)["HostConfig"]


def mounts(spec: ContainerSpec = SPEC, settings: ContainerSettings = SETTINGS) -> dict:
    return {one["Target"]: (one["Source"], one["ReadOnly"]) for one in host(spec, settings)["Mounts"]}


def test_it_is_labelled_with_whose_it_is():
    assert create_body(SPEC, SETTINGS)["Labels"] == {
        "farcell.gateway": "gate",
        "farcell.session": "sess",
        "farcell.lease": "lease",
    }


def test_the_agent_is_its_first_process_and_gets_the_leases_folder():
    body = create_body(SPEC, SETTINGS)
    assert body["Entrypoint"] == ["/farcell/agent/bin/python", "-m", "agent"]
    assert body["Cmd"] == ["/farcell/lease"]
    assert body["HostConfig"]["Init"] is True


def test_no_part_of_it_knows_the_token():
    assert TOKEN not in str(create_body(SPEC, SETTINGS))


def test_only_what_the_lease_needs_is_mounted_and_all_but_its_own_is_read_only():
    assert mounts() == {
        "/farcell/agent": ("/g/agent-environments/agent-1", True),
        "/etc/ld.so.preload": ("/g/agent-environments/agent-1/empty", True),
        "/farcell/lease": ("/g/leases/lease", False),
        "/farcell/gateway": ("/g/agents", True),
        "/cache": ("/g/cache/ada", False),
    }


def test_the_way_out_is_mounted_where_there_is_one():
    spec = replace(SPEC, egress=Path("/g/egress/lease/proxy.sock"))
    assert mounts(spec)["/farcell/egress"] == ("/g/egress/lease", True)
    assert host(spec)["NetworkMode"] == "none"


def test_the_operators_mounts_are_read_only_unless_said():
    extra = (ExtraMount(Path("/srv/data"), "/data"), ExtraMount(Path("/srv/out"), "/out", writable=True))
    found = mounts(settings=replace(SETTINGS, mounts=extra))
    assert found["/data"] == ("/srv/data", True)
    assert found["/out"] == ("/srv/out", False)


def test_its_limits_are_the_engines():
    found = host()
    assert found["Memory"] == found["MemorySwap"] == 4 << 30
    assert found["NanoCpus"] == 1_500_000_000
    assert found["PidsLimit"] == 100
    assert found["StorageOpt"] == {"size": str(2 << 30)}
    assert found["ShmSize"] == 1 << 30


def test_what_has_no_limit_is_not_mentioned():
    found = host(settings=replace(SETTINGS, limits=Limits()))
    assert not found.keys() & {"Memory", "MemorySwap", "NanoCpus", "PidsLimit", "StorageOpt", "ShmSize"}


@pytest.mark.parametrize(
    ("isolation", "runtime"), [(None, None), (Isolation.CONTAINER, None), (Isolation.SANDBOX, "runsc")]
)
def test_each_isolation_has_its_runtime(isolation, runtime):
    assert host(replace(SPEC, walls=Walls(isolation))).get("Runtime") == runtime


def test_an_isolation_that_can_not_be_had_is_refused():
    with pytest.raises(BadRequest, match="can have: container, sandbox"):
        host(replace(SPEC, walls=Walls(Isolation.NONE)))


def test_cards_are_asked_for_by_uuid():
    spec = replace(SPEC, devices=(CARD, replace(CARD, uuid="GPU-bb")))
    assert host(spec)["DeviceRequests"] == [
        {"Driver": "nvidia", "DeviceIDs": ["GPU-aa", "GPU-bb"], "Capabilities": [["gpu"]]}
    ]
    assert host(spec, replace(SETTINGS, gpus="cdi"))["DeviceRequests"] == [
        {"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=GPU-aa", "nvidia.com/gpu=GPU-bb"]}
    ]
    assert "CUDA_VISIBLE_DEVICES=GPU-aa,GPU-bb" in create_body(spec, SETTINGS)["Env"]


def test_simulated_cards_are_not_asked_for():
    spec = replace(SPEC, devices=(replace(CARD, simulated=True),))
    assert host(spec)["DeviceRequests"] == []
    assert "CUDA_VISIBLE_DEVICES=" in create_body(spec, SETTINGS)["Env"]


# --- what an image brings ---


def test_an_images_variables_have_no_say_in_what_is_loaded_into_the_agent():
    image = {
        "PATH": "/usr/bin",
        "LD_PRELOAD": "/evil.so",
        "LD_LIBRARY_PATH": "/opt/cuda",
        "GLIBC_TUNABLES": "x=1",
    }
    variables = create_body(SPEC, replace(SETTINGS, image_environment=image))["Env"]
    assert {"LD_PRELOAD=", "LD_LIBRARY_PATH=", "GLIBC_TUNABLES="} < {*variables}
    assert "FARCELL_IMAGE_LD_LIBRARY_PATH=/opt/cuda" in variables
    assert not any(line.startswith("PATH=") for line in variables)


def test_an_images_variables_are_those_of_its_configuration():
    facts = {"Config": {"Env": ["PATH=/usr/bin", "EMPTY=", "EQUAL=a=b"], "Volumes": None}}
    assert image_environment(facts) == {"PATH": "/usr/bin", "EMPTY": "", "EQUAL": "a=b"}
    assert image_environment({"Config": None}) == {}


def test_an_image_that_declares_volumes_is_refused():
    with pytest.raises(ImageNotSupported, match=r"declares /a, /b to be volumes"):
        image_environment({"Config": {"Volumes": {"/b": {}, "/a": {}}}})
