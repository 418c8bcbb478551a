from __future__ import annotations

from pathlib import Path

from farcell.remote_runtime.api import Device, GatewayId, LeaseId, SessionId
from farcell.remote_runtime.spawners.containment import Labels
from farcell.remote_runtime.spawners.contract import ContainerSpec
from farcell.remote_runtime.spawners.environment import container_environment

LABELS = Labels(GatewayId("g"), SessionId("s"), LeaseId("l"))
REAL = Device("GPU-1", "H100", 1)
SIMULATED = Device("SIM-H100-0", "H100", 1, simulated=True)


def environment(gateway: dict[str, str], *devices: Device) -> dict[str, str]:
    spec = ContainerSpec(
        gateway_id=LABELS.gateway_id,
        session_id=LABELS.session_id,
        lease_id=LABELS.lease_id,
        owner="ada",
        offer="H100",
        devices=devices,
        folder=Path("/leases/l"),
        cache=Path("/caches/ada"),
        socket=Path("/gateway.sock"),
        token="secret",
    )
    return container_environment(gateway, spec, LABELS, Path("/leases/l/home"))


def test_where_programs_are_and_the_way_out_come_through():
    gateway = {
        "PATH": "/opt/bin",
        "LC_ALL": "C.UTF-8",
        "LD_LIBRARY_PATH": "/cuda/lib",
        "CUDA_HOME": "/cuda",
        "https_proxy": "http://proxy:3128",
        "SSL_CERT_FILE": "/ca.pem",
    }
    assert gateway.items() <= environment(gateway).items()


def test_all_else_stays_outside():
    gateway = {
        "AWS_SECRET_ACCESS_KEY": "x",
        "SSH_AUTH_SOCK": "x",
        "PYTHONPATH": "x",
        "VIRTUAL_ENV": "x",
        "HOME": "/root",
    }
    inside = environment(gateway)
    assert not gateway.keys() & inside.keys() - {"HOME"}
    assert inside["HOME"] == "/leases/l/home"


def test_a_gateway_without_path_still_finds_programs():
    assert "/bin" in environment({})["PATH"]


def test_real_devices_are_named_and_simulated_ones_are_not():
    gateway = {"CUDA_VISIBLE_DEVICES": "0,1,2"}
    assert environment(gateway, REAL, SIMULATED)["CUDA_VISIBLE_DEVICES"] == "GPU-1"
    assert environment(gateway, SIMULATED)["CUDA_VISIBLE_DEVICES"] == ""


def test_labels_are_those_of_this_container_also_inside_another():
    assert environment({"FARCELL_LEASE": "outer"})["FARCELL_LEASE"] == "l"


def test_what_can_be_made_again_is_kept_in_the_owners_cache():
    inside = environment({"CUDA_CACHE_PATH": "/elsewhere"})
    assert inside["XDG_CACHE_HOME"] == "/caches/ada"
    assert inside["CUDA_CACHE_PATH"] == "/caches/ada/cuda"
