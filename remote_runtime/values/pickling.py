"""The other lane: cloudpickle 5 with its buffers out of band, for what the lane without pickle has no kind for.

All of it is one pickle. Plain values that it comes across are nodes of the other lane.
"""

from __future__ import annotations

import dataclasses
import io
import pickle
from collections.abc import Callable, Sequence
from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import cloudpickle

from .dataclass_source import is_generated, without_generated
from .functions import Boxes, reduce_cache, reduce_cell, reduce_code, reduce_function
from .kinds import is_notebook_cache

if TYPE_CHECKING:
    from .decoder import Decoder
    from .encoder import Encoder

_NAMESPACE = "namespace"
_WITH_STATE = 2
"""A reduction that is longer has a state."""


class ValuesPickler(cloudpickle.Pickler):  # type: ignore[misc]
    """`newest` is the object that it came to last: what fails is that."""

    def __init__(self, file: Any, encoder: Encoder, namespace: dict[str, Any], *, as_source: bool) -> None:
        super().__init__(
            file, protocol=5, buffer_callback=lambda buffer: self.buffers.append(encoder.buffer(buffer.raw()))
        )
        self.buffers: list[int] = []
        self.newest: Any = None
        self._encoder = encoder
        self._namespace = namespace
        self._as_source = as_source
        self._boxes = Boxes()

    def persistent_id(self, value: Any) -> Any:
        self.newest = value
        if value is self._namespace:
            return _NAMESPACE
        return self._encoder.node_of(value)

    def reducer_override(self, value: Any) -> Any:
        if value is dataclasses.MISSING:
            return "MISSING"  # its name: a copy would not be the same
        reduced = self._own(value)
        if reduced is None:
            reduced = super().reducer_override(value)
            if isinstance(value, type) and isinstance(reduced, tuple) and len(reduced) > _WITH_STATE:
                reduced[2][0].pop("__slotnames__", None)  # which pickle itself leaves in a class
            if self._as_source and isinstance(reduced, tuple) and is_generated(value):
                reduced = without_generated(value, reduced)
        return reduced

    def _own(self, value: Any) -> tuple[Any, ...] | None:
        """For what cloudpickle would copy, or give another namespace."""
        if isinstance(value, FunctionType) and value.__globals__ is self._namespace:
            return reduce_function(value, self._boxes)
        if self._as_source and isinstance(value, CodeType):
            return reduce_code(value)
        if isinstance(value, CellType):
            return reduce_cell(value, self._boxes)
        return reduce_cache(value) if is_notebook_cache(value) else None


class ValuesUnpickler(pickle.Unpickler):
    def __init__(
        self, stream: Any, buffers: Sequence[Any], decoder: Decoder, namespace: dict[str, Any]
    ) -> None:
        super().__init__(io.BytesIO(stream), buffers=buffers)
        self._complete: Callable[[int], Any] = decoder.complete
        self._namespace = namespace

    def persistent_load(self, pid: Any) -> Any:
        return self._namespace if pid == _NAMESPACE else self._complete(pid)
