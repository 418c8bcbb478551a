"""Offers of one machine, made from its devices and the price table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby

from ..api import GIB, Device, GpuTable, Isolation, Nanos, Offer

_MAKER = re.compile(r"\b(NVIDIA|GeForce|Quadro|Tesla)\b", re.IGNORECASE)
CPU_MEMORY_BYTES = 2 * GIB


def gpu_name(product: str, table: GpuTable) -> str:
    """The name under which a card is offered: the table's, or the maker's own in a form that a request can spell.

    ``NVIDIA H100 80GB HBM3`` is ``H100``; ``NVIDIA GeForce RTX 4090``, which the table lacks, is ``RTX-4090``; a MIG
    slice is its card with the profile: ``H100-MIG-1g.10gb``.
    """
    card, _, profile = product.partition(" MIG ")
    known = table.get(card)
    name = known.name if known else re.sub(r"[^\w.]+", "-", _MAKER.sub("", card)).strip("-")
    return f"{name}-MIG-{profile}" if profile else name


def gpu_price(name: str, memory_bytes: int, table: GpuTable) -> Nanos:
    """The table's price; for a card that it lacks, that of the cheapest type with at least as much memory.

    Past the largest type, the dearest one's. An operator who wants another price gives the card a row of its own.
    """
    if known := table.get(name):
        return known.price_nanos_per_s
    prices = [gpu.price_nanos_per_s for gpu in table.gpus.values() if gpu.memory_bytes >= memory_bytes]
    return min(prices, default=max(gpu.price_nanos_per_s for gpu in table.gpus.values()))


def device_offers(devices: Iterable[Device], table: GpuTable, spawner: str) -> list[Offer]:
    """One offer per GPU type, real and simulated apart; foreign devices are counted but not free."""

    def kind(device: Device) -> tuple[bool, str]:
        return device.simulated, device.gpu

    groups = groupby(sorted(devices, key=kind), key=kind)
    return [_device_offer(tuple(group), table, spawner) for _, group in groups]


def _device_offer(devices: tuple[Device, ...], table: GpuTable, spawner: str) -> Offer:
    first = devices[0]
    known = table.get(first.gpu)
    memory_bytes = known.memory_bytes if known else -(-first.memory_bytes // GIB) * GIB
    return Offer(
        name=first.gpu,
        gpu=first.gpu,
        memory_bytes=memory_bytes,
        count_total=len(devices),
        count_free=sum(not device.foreign for device in devices),
        price_nanos_per_s=gpu_price(first.gpu, memory_bytes, table),
        spawner=spawner,
        isolation=Isolation.NONE,
        simulated=first.simulated,
        devices=devices,
    )


def cpu_offer(count: int, table: GpuTable, spawner: str) -> Offer:
    """`count` leases of one core and 2 GiB each: what is billed, not what is enforced."""
    return Offer(
        name="cpu",
        gpu=None,
        memory_bytes=CPU_MEMORY_BYTES,
        count_total=count,
        count_free=count,
        price_nanos_per_s=Nanos(table.core_nanos_per_s + CPU_MEMORY_BYTES // GIB * table.gib_nanos_per_s),
        spawner=spawner,
        isolation=Isolation.NONE,
    )
