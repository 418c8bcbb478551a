"""There and back, as over a wire: the other side gets bytes of its own, and has a namespace of its own."""

from __future__ import annotations

import math
from typing import Any

from cloudpickle import cloudpickle

from farcell.remote_runtime.values.codec import Encoded, Sending, decode, encode

PLAIN = Sending(without_pickle=True)


def notebook(source: str) -> dict[str, Any]:
    """The namespace of a notebook in which a cell has run."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "<cell>", "exec", dont_inherit=True), namespace)
    return namespace


def sent(encoded: Encoded, far: dict[str, Any] | None = None, *, trusted: bool = True) -> dict[str, Any]:
    """What arrives, in the far namespace, too. Here the other side is this process: it must not know our classes."""
    cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.clear()
    far = {} if far is None else far
    buffers = [bytearray(view) for view in encoded.buffers]
    values = decode(encoded.header, buffers, far, trusted=trusted)
    far.update(values)
    return values


def round_trip(near: dict[str, Any], sending: Sending | None = None) -> dict[str, Any]:
    return sent(encode(near, near, sending))


def plain_round_trip(near: dict[str, Any]) -> dict[str, Any]:
    """Through the lane without pickle alone."""
    return sent(encode(near, near, PLAIN), trusted=False)


def shape_of(value: Any) -> Any:
    """A value as nested tuples in which each object has the number of its first appearance: equal for graphs that are
    alike, whatever is shared, whatever holds itself.
    """
    return _Shape().of(value)


class _Shape:
    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []

    def of(self, value: Any) -> Any:  # noqa: PLR0911 (a case for each kind)
        import numpy as np

        kind = type(value).__name__
        if isinstance(value, float):
            return (kind, "nan" if math.isnan(value) else value.hex())
        if value is None or isinstance(value, int | str | bytes | complex | np.generic):
            return (kind, repr(value))
        if id(value) in self._numbers:
            return ("again", self._numbers[id(value)])
        self._numbers[id(value)] = len(self._numbers)
        self._kept.append(value)
        if isinstance(value, dict):
            return (kind, [(self.of(key), self.of(item)) for key, item in value.items()])
        if isinstance(value, set | frozenset):
            return (kind, sorted(map(repr, value)))
        if isinstance(value, list | tuple):
            return (kind, [self.of(item) for item in value])
        if isinstance(value, np.ndarray):
            return (
                kind,
                value.dtype,
                value.shape,
                value.flags.writeable,
                [self.of(item) for item in value.ravel().tolist()],
            )
        if isinstance(value, bytearray):
            return (kind, bytes(value))
        return (kind, self.of(vars(value)))
