"""Whose processes compute on a card, and how cards are asked for."""

from __future__ import annotations

import pytest

from farcell.remote_runtime.api import default_table
from farcell.remote_runtime.spawners.docker.devices import choose_gpus, container_in, real_devices
from farcell.remote_runtime.spawners.nvml import NvmlDevice

OURS, THEIRS = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("cgroups", "container"),
    [
        (f"12:pids:/docker/{OURS}\n0::/docker/{OURS}\n", OURS),
        (f"0::/system.slice/docker-{OURS}.scope\n", OURS),
        (
            f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{OURS}.scope/container\n",
            OURS,
        ),
        ("0::/user.slice/user-1000.slice\n", ""),
        ("0::/\n", ""),
    ],
)
def test_a_process_is_found_in_its_container(cgroups, container):
    assert container_in(cgroups) == container


class TwoCards:
    """Stands in for NVML: the first computes for process 1, the second for nobody."""

    def devices(self):
        return [NvmlDevice(f"GPU-{name}", "NVIDIA H100 80GB HBM3", 80 << 30) for name in ("aa", "bb")]

    def compute_pids(self, uuid):
        return {1} if uuid == "GPU-aa" else set()


@pytest.mark.parametrize(("container", "foreign"), [(OURS, False), (THEIRS, True), ("", True)])
def test_a_card_is_foreign_that_computes_outside_of_our_containers(container, foreign):
    found = real_devices(TwoCards(), None, default_table(), frozenset({OURS}), lambda _: container)
    assert [(one.uuid, one.gpu, one.foreign) for one in found] == [
        ("GPU-aa", "H100", foreign),
        ("GPU-bb", "H100", False),
    ]


def test_cards_that_are_not_offered_are_left_out():
    found = real_devices(TwoCards(), "GPU-bb", default_table(), frozenset(), lambda _: "")
    assert [one.uuid for one in found] == ["GPU-bb"]


@pytest.mark.parametrize(
    ("option", "info", "way"),
    [
        ("cdi", {}, "cdi"),
        ("nvidia", {"CDISpecDirs": ["/etc/cdi"]}, "nvidia"),
        ("auto", {}, "nvidia"),
        ("auto", {"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]}, "cdi"),
        ("auto", {"CDISpecDirs": ["/etc/cdi"], "Runtimes": {"runc": {}}}, "cdi"),
        ("auto", {"CDISpecDirs": ["/etc/cdi"], "Runtimes": {"nvidia": {}}}, "nvidia"),
        ("auto", {"CDISpecDirs": None, "DiscoveredDevices": None, "Runtimes": {}}, "nvidia"),
    ],
)
def test_devices_are_asked_for_in_the_way_that_the_engine_knows(option, info, way):
    assert choose_gpus(option, info) == way
