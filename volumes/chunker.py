"""Where a file is cut: a seam, and FastCDC behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Protocol

from pyfastcdc import FastCDC

from .errors import UnknownFormat

_FASTCDC = "fastcdc-2020"


@dataclass(frozen=True, slots=True)
class ChunkerSpec:
    """What a volume records of its chunker, once: other cut points would store everything again.

    The sizes are those that README.md compares: smaller ones spare more of an edited archive, and make the index, which
    is held in memory, as much longer.
    """

    algorithm: str = _FASTCDC
    min_bytes: int = 64 << 10
    average_bytes: int = 256 << 10
    max_bytes: int = 1 << 20
    normalization: int = 2

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> ChunkerSpec:
        return cls(**{name: found[name] for name in cls.__slots__})


class Chunker(Protocol):
    """One for each writing thread."""

    def cut(self, stream: BinaryIO) -> Iterator[memoryview]:
        """All of a stream in pieces, in order; each is valid until the next is asked for."""


def make_chunker(spec: ChunkerSpec, seed: int) -> Chunker:
    """`seed` is an owner's: cut points tell a file's content to who knows where they fall."""
    if spec.algorithm != _FASTCDC:
        raise UnknownFormat(f"this Farcell does not know the chunker {spec.algorithm!r}: update it")
    return _SeededFastCDC(spec, seed)


class _SeededFastCDC:
    def __init__(self, spec: ChunkerSpec, seed: int) -> None:
        self._cutter = FastCDC(
            spec.average_bytes,
            min_size=spec.min_bytes,
            max_size=spec.max_bytes,
            normalized_chunking=spec.normalization,  # type: ignore[arg-type]
            seed=seed,
        )

    def cut(self, stream: BinaryIO) -> Iterator[memoryview]:
        for chunk in self._cutter.cut_stream(stream):
            yield chunk.data
