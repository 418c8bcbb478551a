"""What a store is: immutable objects under keys, and refs, which are small and move by compare-and-swap only.

Keys are relative, of lower-case letters, digits, ``-``, ``.`` and ``/``. Both adapters and all wrappers in the tests
pass one suite, tests/volumes/store/test_contract.py. All methods block, and may be called from several threads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as a listing tells it; `modified_at` in seconds by the store's own clock."""

    key: str
    size_bytes: int
    modified_at: float


@dataclass(frozen=True, slots=True)
class Ref:
    """What a ref was when it was read; `version` is the adapter's."""

    value: bytes
    version: str


class Store(ABC):
    """Raises `StoreUnavailable` or one of its kinds where the store does not do what it is asked."""

    @abstractmethod
    def get(self, key: str) -> bytes:
        """The whole object; raises `ObjectMissing`."""

    @abstractmethod
    def get_range(self, key: str, start: int, size: int) -> bytes:
        """Exactly `size` bytes from `start`, which the object must have; raises `ObjectMissing`."""

    @abstractmethod
    def put(self, key: str, parts: Sequence[bytes]) -> None:
        """Writes a new object, whole or not at all. Its key was never used before.

        When it returns the bytes will be there for whoever sees a ref that was moved afterwards.
        """

    @abstractmethod
    def list(self, prefix: str) -> Iterator[Stored]:
        """All objects whose keys begin so, in no order; what comes or goes meanwhile may be among them."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Removes an object or a ref; silent when it is gone."""

    @abstractmethod
    def now(self) -> float:
        """The clock of `Stored.modified_at`: nobody's own clock is compared with it."""

    @abstractmethod
    def read_ref(self, key: str) -> Ref | None:
        """The newest value: who reads after a move sees it."""

    @abstractmethod
    def move_ref(self, key: str, value: bytes, expected: Ref | None) -> Ref:
        """Moves a ref from what was read (None: there was none) to a value that no other caller writes.

        Raises `RefMoved` when it is another by now. After any other error it may have been moved or not: read it.
        """

    @abstractmethod
    def tidy(self, before: float) -> None:
        """Removes what interrupted writers left before that time, by the store's clock."""
