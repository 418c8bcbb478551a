"""The adapter over a library that behaves as NVML does; `tests/gpu` proves it on the real one."""

from __future__ import annotations

import subprocess
import sys

import pynvml
import pytest

from farcell.remote_runtime.spawners.nvml import Availability, GpuUsage, Nvml, NvmlDevice, visible_devices

from .fake_nvml import GIB, Card, FakeLibrary


def test_the_fake_has_only_what_the_library_has():
    assert [name for name in dir(FakeLibrary) if name.startswith("nvml") and not hasattr(pynvml, name)] == []


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, Availability.NO_LIBRARY),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, Availability.NO_DRIVER),
        (pynvml.NVML_ERROR_NO_PERMISSION, Availability.NO_PERMISSION),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, Availability.MISMATCH),
        (pynvml.NVML_ERROR_UNKNOWN, Availability.FAILED),
    ],
)
def test_why_nvml_is_not_available(error, why):
    nvml = Nvml(FakeLibrary(refuses_with=error))
    assert nvml.availability() is why
    assert nvml.devices() == []
    assert nvml.usage("GPU-1") is None
    assert nvml.compute_pids("GPU-1") == set()
    assert nvml.driver_version() is None


def test_a_driver_without_a_device():
    assert Nvml(FakeLibrary()).availability() is Availability.NO_DEVICE


def test_a_driver_that_comes_later_is_found():
    library = FakeLibrary([Card("GPU-1")], refuses_with=pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
    nvml = Nvml(library)
    assert nvml.devices() == []
    library.refuses_with = None
    assert nvml.availability() is Availability.AVAILABLE
    assert len(nvml.devices()) == 1


def test_devices_come_in_the_drivers_order():
    nvml = Nvml(FakeLibrary([Card("GPU-2"), Card("GPU-1", "Tesla T4", 15 * GIB)]))
    assert nvml.devices() == [
        NvmlDevice("GPU-2", "NVIDIA H100 80GB HBM3", 80 * GIB),
        NvmlDevice("GPU-1", "Tesla T4", 15 * GIB),
    ]


def test_a_lost_device_does_not_hide_the_others():
    nvml = Nvml(FakeLibrary([Card("GPU-1"), Card("GPU-2", lost=True), Card("GPU-3")]))
    assert [device.uuid for device in nvml.devices()] == ["GPU-1", "GPU-3"]


def test_a_divided_card_comes_as_its_slices():
    slices = [Card("MIG-1", "NVIDIA H100 80GB HBM3 MIG 1g.10gb", 10 * GIB), Card("MIG-2", total=10 * GIB)]
    nvml = Nvml(FakeLibrary([Card("GPU-1", slices=slices), Card("GPU-2")]))
    assert [device.uuid for device in nvml.devices()] == ["MIG-1", "MIG-2", "GPU-2"]


def test_a_card_in_mig_mode_without_slices_offers_nothing():
    assert Nvml(FakeLibrary([Card("GPU-1", slices=[])])).devices() == []


def test_usage_is_a_share_and_bytes():
    nvml = Nvml(FakeLibrary([Card("GPU-1", used=3 * GIB, utilisation=42)]))
    assert nvml.usage("GPU-1") == GpuUsage(0.42, 3 * GIB, 80 * GIB)
    assert nvml.usage("GPU-9") is None


def test_a_slice_has_no_utilisation():
    nvml = Nvml(FakeLibrary([Card("GPU-1", slices=[Card("MIG-1", used=1, utilisation=None)])]))
    usage = nvml.usage("MIG-1")
    assert usage is not None
    assert usage.utilisation is None


def test_processes_are_told_by_pid():
    assert Nvml(FakeLibrary([Card("GPU-1", pids=(7, 8, 7))])).compute_pids("GPU-1") == {7, 8}


def test_closing_twice_closes_once_and_a_question_opens_again():
    library = FakeLibrary([Card("GPU-1")])
    nvml = Nvml(library)
    nvml.devices()
    nvml.close()
    nvml.close()
    assert library.opened == 0
    assert nvml.driver_version() == "570.1"
    nvml.close()


def test_the_real_library_answers_or_says_why_not():
    nvml = Nvml()
    assert (nvml.availability() is Availability.AVAILABLE) == bool(nvml.devices())
    nvml.close()


def test_the_library_is_imported_only_when_it_is_asked():
    script = (
        "import sys, farcell.remote_runtime.spawners.nvml as n; n.Nvml(); assert 'pynvml' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("visible", "left"),
    [
        (None, ["GPU-aa1", "GPU-ab2", "GPU-c"]),
        ("", []),
        ("1", ["GPU-ab2"]),
        ("2,0", ["GPU-c", "GPU-aa1"]),
        ("GPU-ab2", ["GPU-ab2"]),
        ("GPU-c, 0", ["GPU-c", "GPU-aa1"]),
        ("GPU-a", []),
        ("0,-1,1", ["GPU-aa1"]),
        ("0,7,1", ["GPU-aa1"]),
    ],
)
def test_what_cuda_hides_from_the_gateway_is_hidden(visible, left):
    devices = [NvmlDevice(uuid, "", 0) for uuid in ("GPU-aa1", "GPU-ab2", "GPU-c")]
    assert [device.uuid for device in visible_devices(devices, visible)] == left
