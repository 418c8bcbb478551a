"""The state of an owner's garbage collection: one ref, moved by compare-and-swap like all others.

Why nothing that a commit needs is ever removed beside it (gc.py does the steps, uploads.py the writer's part):

1. A pack is first *condemned*, in this ref. From then on no writer relies on what it holds, but writes it again.
2. A grace period later, longer than the longest upload, the epoch here grows, and **every head of the owner is
   moved** to the new epoch. Only then is it looked at again what the heads reach; a condemned pack that they need is
   kept after all.
3. What is left is named here as *doomed*, then removed, then forgotten.

A writer reads its volume's head, then this ref, then moves the head. If it read the head before step 2 moved it, its
own move fails, and it reads both again; if after, it sees here what was condemned, and copies what it needs out of it
first. So no clock is part of the argument: the grace period only spares copying.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from .errors import UnknownFormat
from .store import Ref, Store

COLLECTION_REF: Final = "collection"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Collection:
    """`condemned`: when each pack was, by the store's clock. `doomed`: those of them whose removal has begun."""

    epoch: int = 0
    condemned: Mapping[str, float] = field(default_factory=dict)
    doomed: frozenset[str] = frozenset()

    def encode(self, nonce: str) -> bytes:
        """`nonce` makes the value its writer's own, so that a lost answer can be told from a lost race."""
        return json.dumps(
            {
                "format": _FORMAT,
                "epoch": self.epoch,
                "condemned": dict(sorted(self.condemned.items())),
                "doomed": sorted(self.doomed),
                "nonce": nonce,
            }
        ).encode()

    @classmethod
    def decode(cls, value: bytes) -> Collection:
        found = json.loads(value)
        if found["format"] != _FORMAT:
            raise UnknownFormat("the store was collected by a newer Farcell: update this one")
        return cls(found["epoch"], found["condemned"], frozenset(found["doomed"]))


def read_collection(store: Store) -> tuple[Collection, Ref | None]:
    ref = store.read_ref(COLLECTION_REF)
    return (Collection(), None) if ref is None else (Collection.decode(ref.value), ref)
