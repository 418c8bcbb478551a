"""A store that fails as it is told to: around any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from farcell.volumes.store import Ref, Store, Stored

_T = TypeVar("_T")


class Crash(BaseException):
    """The process dies here; as kill -9 it is no exception that anything handles."""


@dataclass
class Plan:
    """What happens when; counts the operations of all stores that share it."""

    crash_at: int | None = None
    """The operation that the process does not survive."""
    after_it: bool = False
    """It was done before the process died."""
    fail: Callable[[str, str], Exception | None] = field(default=lambda operation, key: None)
    """What an operation on a key fails with."""
    spoil: Callable[[str, bytes], bytes] = field(default=lambda key, data: data)
    """What is read in place of what was written."""
    before_move: Callable[[str], None] = field(default=lambda key: None)
    count: int = 0

    def begin(self, operation: str, key: str) -> int:
        """Returns the operation's number."""
        self.count += 1
        number = self.count
        failure = self.fail(operation, key)
        if failure is not None:
            raise failure
        if number == self.crash_at and not self.after_it:
            raise Crash(operation, key)
        return number

    def end(self, number: int) -> None:
        if number == self.crash_at and self.after_it:
            raise Crash


class FaultyStore(Store):
    def __init__(self, inner: Store, plan: Plan) -> None:
        self._inner = inner
        self._plan = plan

    def _do(self, operation: str, key: str, done: Callable[[], _T]) -> _T:
        number = self._plan.begin(operation, key)
        answer = done()
        self._plan.end(number)
        return answer

    def get(self, key: str) -> bytes:
        return self._plan.spoil(key, self._do("get", key, lambda: self._inner.get(key)))

    def get_range(self, key: str, start: int, size: int) -> bytes:
        return self._plan.spoil(key, self._do("get", key, lambda: self._inner.get_range(key, start, size)))

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        self._do("put", key, lambda: self._inner.put(key, parts))

    def list(self, prefix: str) -> Iterator[Stored]:
        yield from self._do("list", prefix, lambda: [*self._inner.list(prefix)])

    def delete(self, key: str) -> None:
        self._do("delete", key, lambda: self._inner.delete(key))

    def now(self) -> float:
        return self._do("now", "", self._inner.now)

    def read_ref(self, key: str) -> Ref | None:
        return self._do("read", key, lambda: self._inner.read_ref(key))

    def move_ref(self, key: str, value: bytes, expected: Ref | None) -> Ref:
        self._plan.before_move(key)
        return self._do("move", key, lambda: self._inner.move_ref(key, value, expected))

    def tidy(self, before: float) -> None:
        self._do("tidy", "", lambda: self._inner.tidy(before))
