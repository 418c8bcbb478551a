"""The functions of ``pynvml`` that Farcell uses, over cards that a test puts in."""

# ruff: noqa: N802 - NVML's own names

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pynvml

GIB = 1 << 30


@dataclass
class Card:
    uuid: str
    name: str = "NVIDIA H100 80GB HBM3"
    total: int = 80 * GIB
    used: int = 0
    utilisation: int | None = 0
    pids: tuple[int, ...] = ()
    slices: list[Card] | None = None
    lost: bool = False


@dataclass
class FakeLibrary:
    cards: list[Card] = field(default_factory=list)
    refuses_with: int | None = None
    opened: int = 0

    NVMLError = pynvml.NVMLError
    NVML_DEVICE_MIG_ENABLE = pynvml.NVML_DEVICE_MIG_ENABLE

    def __getattr__(self, name):
        if name.startswith("NVML_ERROR"):
            return getattr(pynvml, name)
        raise AttributeError(name)

    def nvmlInit(self):
        if self.refuses_with is not None:
            raise pynvml.NVMLError(self.refuses_with)
        self.opened += 1

    def nvmlShutdown(self):
        self.opened -= 1

    def nvmlSystemGetDriverVersion(self):
        return "570.1"

    def nvmlDeviceGetCount(self):
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index):
        card = self.cards[index]
        if card.lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return card

    def nvmlDeviceGetHandleByUUID(self, uuid):
        every = [one for card in self.cards for one in (card, *(card.slices or ()))]
        for card in every:
            if card.uuid == uuid:
                return card
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)

    def nvmlDeviceGetMigMode(self, card):
        if card.slices is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return pynvml.NVML_DEVICE_MIG_ENABLE, pynvml.NVML_DEVICE_MIG_ENABLE

    def nvmlDeviceGetMaxMigDeviceCount(self, card):
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, card, index):
        if index % 2 or index // 2 >= len(card.slices):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return card.slices[index // 2]

    def nvmlDeviceGetMemoryInfo(self, card):
        return SimpleNamespace(total=card.total, used=card.used)

    def nvmlDeviceGetUUID(self, card):
        return card.uuid

    def nvmlDeviceGetName(self, card):
        return card.name

    def nvmlDeviceGetUtilizationRates(self, card):
        if card.utilisation is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return SimpleNamespace(gpu=card.utilisation)

    def nvmlDeviceGetComputeRunningProcesses(self, card):
        return [SimpleNamespace(pid=pid) for pid in card.pids]
