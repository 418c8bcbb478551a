"""Names of blobs: BLAKE3 under keys of their owner, one key for each kind.

Who does not have an owner's secret can't tell from a name what it names, nor make a blob that another's names fit;
equal files of two owners have different names and lie twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NewType

from blake3 import blake3

BlobId = NewType("BlobId", bytes)
ID_BYTES: Final = 32


class Kind(IntEnum):
    """What a blob is; a number of the format."""

    CHUNK = 1
    """A piece of a file."""
    LIST = 2
    """The chunks of a long file."""
    NODE = 3
    """A node of a tree."""
    COMMIT = 4
    PACK_INDEX = 5
    """Not a blob: what a pack ends with."""


@dataclass(frozen=True, slots=True)
class OwnerKeys:
    """All that an owner's secret is made into; made by `derive`."""

    of_kind: Mapping[Kind, bytes]
    split: bytes
    """Where tree nodes end."""
    cut_seed: int
    """Where chunks end: 63 bits, since pyfastcdc doubles it in 64; never 0, which it takes for none."""

    @classmethod
    def derive(cls, secret: bytes) -> OwnerKeys:
        """From 32 secret bytes or more, of high entropy: a key is only as good as they are."""
        if len(secret) < ID_BYTES:
            raise ValueError(f"an owner's secret has at least {ID_BYTES} bytes, not {len(secret)}")
        keys = {kind: _derive(kind.name.lower().replace("_", " "), secret) for kind in Kind}
        seed = int.from_bytes(_derive("cut points", secret)[:8], "little") >> 1 | 1
        return cls(keys, _derive("splits", secret), seed)

    def id_of(self, kind: Kind, data: bytes | memoryview) -> BlobId:
        return BlobId(blake3(data, key=self.of_kind[kind]).digest())

    def height(self, key: bytes, bits: int) -> int:
        """How many levels of a tree end at a key: each but one in ``2 ** bits`` of those below."""
        number = int.from_bytes(blake3(key, key=self.split).digest(8), "little") | 1 << 63
        return ((number & -number).bit_length() - 1) // bits


def _derive(purpose: str, secret: bytes) -> bytes:
    return blake3(secret, derive_key_context=f"farcell volumes 1 {purpose}").digest()
