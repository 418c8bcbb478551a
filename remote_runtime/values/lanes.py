"""Which lane knows a value's type, and which reads a node's kind. Libraries are only looked at if they are loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import arrow_lane, numpy_lane, pandas_lane, plain_lane, torch_lane

Writer = Callable[[Any, Any], "list[Any] | None"]
"""Of an encoder and a value; None if the value turns out to be not plain."""
Reader = Callable[[Any, "list[Any]"], Any]

_BY_LIBRARY: dict[str, Callable[[Any], Writer | None]] = {
    "numpy": numpy_lane.writer,
    "pandas": pandas_lane.writer,
    "pyarrow": arrow_lane.arrow_writer,
    "polars": arrow_lane.polars_writer,
    "torch": torch_lane.writer,
}
READERS: dict[str, Reader] = {
    **plain_lane.READERS,
    **numpy_lane.READERS,
    **pandas_lane.READERS,
    **arrow_lane.READERS,
    **torch_lane.READERS,
}


def writer(value: Any) -> Writer | None:
    """By exact type: what a subclass adds would be lost."""
    kind = type(value)
    write = plain_lane.WRITERS.get(kind)
    if write is None:
        by_library = _BY_LIBRARY.get(kind.__module__.partition(".")[0])
        write = by_library(value) if by_library is not None else None
    return write if write is not None else plain_lane.dataclass_writer(value)


def lies_in_memory(value: Any) -> bool:
    """Whether pickle leaves it to its lane wherever it comes across it."""
    return numpy_lane.is_array(value) or torch_lane.is_tensor(value)
