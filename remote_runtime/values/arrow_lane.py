"""Arrow's and polars' tables, as streams in Arrow's own format."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

from .errors import Unreadable

if TYPE_CHECKING:
    from .decoder import Decoder
    from .encoder import Encoder, Node


def arrow_writer(value: Any) -> Any:
    arrow = sys.modules["pyarrow"]
    if isinstance(value, arrow.Table | arrow.RecordBatch | arrow.ChunkedArray | arrow.Array):
        return _write_arrow
    return None


def _write_arrow(encoder: Encoder, value: Any) -> Node | None:
    """``[arrow, form, buffers]``; arrays travel as the one column of a table."""
    arrow = sys.modules["pyarrow"]
    form = next(form for form in ("Table", "RecordBatch", "ChunkedArray", "Array") if _is(value, form, arrow))
    table = value if form in {"Table", "RecordBatch"} else arrow.table({"": value})
    sink = _Sink()
    try:
        with arrow.ipc.new_stream(arrow.PythonFile(sink, mode="w"), table.schema) as stream:
            stream.write(table)
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError):
        return None
    return ["arrow", form, [encoder.buffer(piece) for piece in sink.pieces()]]


def _is(value: Any, form: str, arrow: Any) -> bool:
    return isinstance(value, getattr(arrow, form))


class _Sink:
    """A file that keeps what is written to it; Arrow hands large buffers over without a copy."""

    closed = False
    _SMALL = 1 << 16

    def __init__(self) -> None:
        self._written: list[Any] = []

    def write(self, data: Any) -> int:
        self._written.append(data)
        return len(data)

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def pieces(self) -> list[Any]:
        """Small ones in a row as one."""
        pieces: list[Any] = []
        small = bytearray()
        for data in self._written:
            if len(data) < self._SMALL:
                small += memoryview(data)
            else:
                pieces += [bytes(small), data]
                small.clear()
        return [piece for piece in (*pieces, bytes(small)) if len(piece)]


def _read_arrow(decoder: Decoder, node: Node) -> Any:
    arrow = decoder.library("pyarrow")
    _, form, numbers = node
    with arrow.ipc.open_stream(arrow.py_buffer(_joined(decoder, numbers))) as stream:
        table = stream.read_all()
    if not decoder.is_trusted:
        table.validate(full=True)
    if form == "Table":
        return table
    if form == "RecordBatch":
        batches = table.to_batches()
        return batches[0] if batches else arrow.RecordBatch.from_pylist([], schema=table.schema)
    column = table.column(0)
    if form == "ChunkedArray":
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _joined(decoder: Decoder, numbers: list[int]) -> Any:
    pieces = [decoder.buffer(number) for number in numbers]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def polars_writer(value: Any) -> Any:
    polars = sys.modules["polars"]
    return _write_polars if type(value) in {polars.DataFrame, polars.Series} else None


def _write_polars(encoder: Encoder, value: Any) -> Node | None:
    polars = sys.modules["polars"]
    form = type(value).__name__
    frame = value if form == "DataFrame" else value.to_frame()
    if any(dtype == polars.Object for dtype in frame.dtypes):
        return None
    written = io.BytesIO()
    frame.write_ipc_stream(written, compat_level=polars.CompatLevel.newest())
    return ["polars", form, encoder.buffer(written.getbuffer())]


def _read_polars(decoder: Decoder, node: Node) -> Any:
    polars = decoder.library("polars")
    _, form, number = node
    if form not in {"DataFrame", "Series"}:
        raise Unreadable(f"polars has no {form}")
    frame = polars.read_ipc_stream(io.BytesIO(decoder.buffer(number)))
    return frame if form == "DataFrame" else frame.to_series()


READERS = {"arrow": _read_arrow, "polars": _read_polars}
