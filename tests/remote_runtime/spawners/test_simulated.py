from __future__ import annotations

import pytest

from farcell.remote_runtime.api import GIB, Device, default_table
from farcell.remote_runtime.errors import BadRequest, UnknownGpu
from farcell.remote_runtime.spawners.simulated import simulated_devices


def test_each_device_has_an_id_that_stays():
    assert simulated_devices("h100:2, T4", default_table()) == (
        Device("SIM-H100-0", "H100", 80 * GIB, simulated=True),
        Device("SIM-H100-1", "H100", 80 * GIB, simulated=True),
        Device("SIM-T4-0", "T4", 16 * GIB, simulated=True),
    )


@pytest.mark.parametrize("text", ["", "  "])
def test_nothing_asked_for_is_nothing_simulated(text):
    assert simulated_devices(text, default_table()) == ()


def test_an_alias_is_offered_under_the_tables_name():
    assert simulated_devices("A10G", default_table())[0].gpu == "A10"


def test_an_unknown_type_is_refused_with_the_nearest():
    with pytest.raises(UnknownGpu, match="H100"):
        simulated_devices("H10:2", default_table())


@pytest.mark.parametrize(
    "text", ["cpu", "24GB", "H100:0", "H100:x", "H100:2,h100", "H100,,T4", "H100:1,H100:2"]
)
def test_what_names_no_devices_is_refused_with_an_example(text):
    with pytest.raises(BadRequest, match=r"H100:2"):
        simulated_devices(text, default_table())
