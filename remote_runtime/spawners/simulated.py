"""Simulated devices: what ``--simulate H100:2,T4:4`` asks for. They compute nothing; they are for trying things out."""

from __future__ import annotations

from ..api import Device, GpuTable, Request
from ..errors import BadRequest


def simulated_devices(text: str, table: GpuTable) -> tuple[Device, ...]:
    """The devices that `text` names, in its order; their UUIDs are the same each time (``SIM-H100-0``, ``SIM-H100-1``).

    An empty text names none. Raises `UnknownGpu` with the nearest names, or `BadRequest`.
    """
    if not text.strip():
        return ()
    choices = Request.parse(text, table).choices
    names = [choice.gpu for choice in choices]
    if None in names or len(set(names)) < len(names):
        raise BadRequest(
            f"can't simulate {text!r}: name each GPU type once, with its count, as in H100:2,T4:4"
        )
    return tuple(
        Device(f"SIM-{gpu.name}-{index}", gpu.name, gpu.memory_bytes, simulated=True)
        for gpu, choice in zip(map(table.find, filter(None, names)), choices, strict=True)
        for index in range(choice.count)
    )
