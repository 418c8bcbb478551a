"""The table of GPU types: names, aliases, memory, prices; from a TOML file, overridden by the operator's."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, lru_cache, reduce
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import msgspec

from ..errors import BadRequest, UnknownGpu
from .money import Nanos, parse_dollars

GIB = 1 << 30
_NAME = re.compile(r"(?!cpu$|[0-9]+gi?b$)[a-z0-9][a-z0-9._-]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GpuType:
    """One row of the table; `price_nanos_per_s` is for one GPU."""

    name: str
    aliases: tuple[str, ...]
    memory_bytes: int
    price_nanos_per_s: Nanos

    @property
    def spellings(self) -> frozenset[str]:
        """Every name it goes by, without case and punctuation."""
        return frozenset(map(_plain, (self.name, *self.aliases)))


@dataclass(frozen=True, slots=True)
class GpuTable:
    """All GPU types by canonical name, and what a CPU core and a GiB of memory cost per second."""

    gpus: Mapping[str, GpuType]
    core_nanos_per_s: Nanos
    gib_nanos_per_s: Nanos
    dated: date
    source: str

    def find(self, name: str) -> GpuType:
        """The type called `name`, in any case and by any alias.

        Raises `UnknownGpu`, which names the nearest known types.
        """
        gpu = self.get(name)
        if gpu is None:
            raise UnknownGpu(_unknown(name, self), asked=name, known=list(self.gpus))
        return gpu

    def get(self, name: str) -> GpuType | None:
        """As `find`, but None for an unknown name (a device of NVML that the table lacks, say)."""
        return next((gpu for gpu in self.gpus.values() if _plain(name) in gpu.spellings), None)

    def including(self, types: Iterable[GpuType]) -> GpuTable:
        """The table with those types that it lacks: cards that a spawner found, so that they can be asked for."""
        lacking = {gpu.name: gpu for gpu in types if self.get(gpu.name) is None}
        return replace(self, gpus=MappingProxyType({**self.gpus, **lacking})) if lacking else self


@lru_cache(maxsize=1024)
def _plain(name: str) -> str:
    """The name without case and punctuation: ``A100 80gb`` and ``a100-80GB`` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _unknown(name: str, table: GpuTable) -> str:
    spellings = {word: gpu.name for gpu in table.gpus.values() for word in gpu.spellings}
    near = difflib.get_close_matches(_plain(name), sorted(spellings), n=5, cutoff=0.4)
    nearest = list(dict.fromkeys(spellings[word] for word in near))[:3]
    hint = f"nearest: {', '.join(nearest)}" if nearest else f"known: {', '.join(table.gpus)}"
    return f"there is no GPU type {name!r}; {hint}"


@cache
def default_table() -> GpuTable:
    """The table that ships with Farcell."""
    return read_table(_shipped())


def table_with_overrides(path: Path) -> GpuTable:
    """The shipped table with an operator's file on top; raises `BadRequest` that names file and fault."""
    try:
        return read_table(_shipped(), path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadRequest(f"the GPU table {path} can't be used: {error}") from error


def read_table(*texts: str) -> GpuTable:
    """A table from TOML texts of the form of ``gpus.toml``; later ones override earlier, value by value.

    Raises `ValueError` (TOML's and msgspec's own faults are ones) for keys that do not exist or are missing,
    prices that are no quoted decimals, names that no request could ask for, and two types with one name.
    """
    file = msgspec.convert(reduce(_override, map(tomllib.loads, texts)), _File)
    gpus = {name: _gpu_type(name, row) for name, row in file.gpu.items()}
    _refuse_equal_names(gpus.values())
    return GpuTable(
        gpus=MappingProxyType(gpus),
        core_nanos_per_s=parse_dollars(file.cpu.price_per_core),
        gib_nanos_per_s=parse_dollars(file.cpu.price_per_gib),
        dated=file.dated,
        source=file.source,
    )


class _Cpu(msgspec.Struct, forbid_unknown_fields=True):
    price_per_core: str
    price_per_gib: str


class _Gpu(msgspec.Struct, forbid_unknown_fields=True):
    """Prices are texts: a TOML float would be rounded before anyone saw it."""

    price: str
    memory_gib: Annotated[int, msgspec.Meta(gt=0)]
    aliases: tuple[str, ...] = ()


class _File(msgspec.Struct, forbid_unknown_fields=True):
    dated: date
    source: str
    cpu: _Cpu
    gpu: dict[str, dict[str, Any]]


def _shipped() -> str:
    return files(__package__).joinpath("gpus.toml").read_text("utf-8")


def _override(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Both, tables merged at every depth; where both have a value, that of `above`."""
    merged = dict(below)
    for key, value in above.items():
        old = below.get(key)
        merged[key] = _override(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _gpu_type(name: str, row: dict[str, Any]) -> GpuType:
    if not _NAME.fullmatch(name):
        raise ValueError(f"[gpu.{name}]: a name has letters, digits, '-', '_' and '.', and is no size")
    try:
        gpu = msgspec.convert(row, _Gpu)
        return GpuType(name, gpu.aliases, gpu.memory_gib * GIB, parse_dollars(gpu.price))
    except ValueError as error:
        raise ValueError(f"[gpu.{name}]: {error}") from error


def _refuse_equal_names(gpus: Iterable[GpuType]) -> None:
    owner: dict[str, str] = {}
    for gpu in gpus:
        for spelling in gpu.spellings:
            if owner.setdefault(spelling, gpu.name) != gpu.name:
                raise ValueError(f"{owner[spelling]} and {gpu.name} are both called {spelling!r}")
