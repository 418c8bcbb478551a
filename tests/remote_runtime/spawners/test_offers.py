from __future__ import annotations

import pytest

from farcell.remote_runtime.api import GIB, Device, Isolation, Request, default_table
from farcell.remote_runtime.spawners.offers import cpu_offer, device_offers, gpu_name, gpu_price

TABLE = default_table()


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H200", "H200"),
        ("Tesla T4", "T4"),
        ("NVIDIA A10G", "A10"),
        ("NVIDIA A100-SXM4-40GB", "A100-40GB"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX-6000-Ada-Generation"),
        ("Tesla V100-SXM2-16GB", "V100-SXM2-16GB"),
        ("Quadro P2000", "P2000"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "H100-MIG-1g.10gb"),
        ("NVIDIA A30 MIG 1g.6gb", "A30-MIG-1g.6gb"),
    ],
)
def test_a_card_is_offered_under_a_name_that_a_request_can_spell(product, name):
    assert gpu_name(product, TABLE) == name
    assert not set(name) & set(" ,:")


@pytest.mark.parametrize(
    ("memory_gib", "as_dear_as"),
    [(6, "T4"), (16, "T4"), (24, "L4"), (32, "L40S"), (94, "RTX-PRO-6000"), (999, "B300")],
)
def test_a_card_that_the_table_lacks_costs_as_much_as_the_cheapest_that_has_its_memory(
    memory_gib, as_dear_as
):
    price = gpu_price("Unheard-Of", memory_gib * GIB, TABLE)
    cheapest = (
        min(gpu.price_nanos_per_s for gpu in TABLE.gpus.values() if gpu.memory_bytes >= memory_gib * GIB)
        if (memory_gib < 999)
        else TABLE.gpus["B300"].price_nanos_per_s
    )
    assert price == cheapest == TABLE.gpus[as_dear_as].price_nanos_per_s


def test_foreign_devices_are_counted_but_not_free():
    devices = [Device("GPU-a", "H100", 80 * GIB), Device("GPU-b", "H100", 80 * GIB, foreign=True)]
    (offer,) = device_offers(devices, TABLE, "process")
    assert (offer.count_total, offer.count_free) == (2, 1)
    assert offer.devices == tuple(devices)
    assert offer.isolation is Isolation.NONE


def test_real_and_simulated_devices_of_one_type_are_two_offers():
    devices = [Device("SIM-H100-0", "H100", 80 * GIB, simulated=True), Device("GPU-a", "H100", 80 * GIB)]
    assert [
        (one.name, one.simulated, one.count_total) for one in device_offers(devices, TABLE, "process")
    ] == [
        ("H100", False, 1),
        ("H100", True, 1),
    ]


def test_a_known_card_has_the_tables_memory_whatever_the_driver_keeps_for_itself():
    (offer,) = device_offers([Device("GPU-a", "H100", 79 * GIB)], TABLE, "process")
    assert offer.memory_bytes == 80 * GIB


def test_an_unknown_cards_memory_is_rounded_up_to_what_its_box_says():
    (offer,) = device_offers([Device("GPU-a", "RTX-4090", 24 * GIB - 12345)], TABLE, "process")
    assert offer.memory_bytes == 24 * GIB
    assert Request.parse("24GB").choices[0].memory_bytes <= offer.memory_bytes


def test_a_cpu_lease_is_one_core_and_two_gib():
    offer = cpu_offer(8, TABLE, "process")
    assert offer.price_nanos_per_s == 13_100 + 2 * 2_220
    assert (offer.gpu, offer.memory_bytes, offer.count_total, offer.devices) == (None, 2 * GIB, 8, ())
