"""Frames, series, indexes and extension arrays of pandas, by their blocks and with their exact dtypes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import Unreadable

if TYPE_CHECKING:
    from .decoder import Decoder
    from .encoder import Encoder, Node

# pandas's own names for what has no public one are the same from 1.5 on
# ruff: noqa: SLF001


def writer(value: Any) -> Any:
    pandas = sys.modules["pandas"]
    by_type: dict[Any, Callable[..., Any]] = {
        pandas.DataFrame: _write_frame,
        pandas.Series: _write_series,
        pandas.RangeIndex: _write_range,
        pandas.MultiIndex: _write_levels,
        pandas.Timestamp: _write_moment,
        pandas.Timedelta: _write_moment,
        type(pandas.NaT): lambda _, __: ["NaT"],
        type(pandas.NA): lambda _, __: ["NA"],
    }
    if isinstance(value, pandas.Index) and type(value) not in by_type:
        return _write_index if _is_pandas_own(value) else None
    if isinstance(value, pandas.api.extensions.ExtensionArray):
        return _write_extension_array
    return by_type.get(type(value))


def _is_pandas_own(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "pandas"


def _own_memory(encoder: Encoder, values: Any) -> Any:
    """Where pandas copies on write, it has to know who shares memory: the other side's would not, and change both."""
    pandas, numpy = sys.modules["pandas"], sys.modules["numpy"]
    copies = int(pandas.__version__.split(".")[0]) >= 3 or pandas.get_option("mode.copy_on_write") is True
    if type(values) is numpy.ndarray and values.dtype != object and copies:
        values = values.view()
        values.flags.writeable = values.base is None or values.base.flags.writeable
        return encoder.item(encoder.private(values))
    return encoder.item(values)


def _write_frame(encoder: Encoder, frame: Any) -> Node:
    """``[DataFrame, columns, index, [[values, places], …], attrs]``."""
    blocks = [
        [_own_memory(encoder, block.values), block.mgr_locs.as_array.tolist()] for block in frame._mgr.blocks
    ]
    return [
        "DataFrame",
        encoder.item(frame.columns),
        encoder.item(frame.index),
        blocks,
        encoder.item(frame.attrs),
    ]


def _read_frame(decoder: Decoder, node: Node) -> Any:
    pandas, numpy = decoder.library("pandas"), decoder.library("numpy")
    _, columns, index, blocks, attrs = node
    found = [(decoder.item(values), numpy.array(places, numpy.intp)) for values, places in blocks]
    make = getattr(getattr(pandas.api, "internals", None), "create_dataframe_from_blocks", None)
    if make is not None:
        frame = make(found, index=decoder.item(index), columns=decoder.item(columns))
    else:
        frame = _from_columns(pandas, found, decoder.item(index), decoder.item(columns))
    held = decoder.item(attrs)
    decoder.later(lambda: frame.attrs.update(held))
    return frame


def _from_columns(pandas: Any, blocks: list[tuple[Any, Any]], index: Any, columns: Any) -> Any:
    """For a pandas that can't be given blocks: before 3.0."""
    by_place: dict[int, Any] = {}
    for values, places in blocks:
        for row, place in enumerate(places.tolist()):
            by_place[place] = values[row] if values.ndim == 2 else values
    frame = pandas.DataFrame(
        {place: by_place[place] for place in range(len(columns))}, index=index, copy=False
    )
    frame.columns = columns
    return frame


def _write_series(encoder: Encoder, series: Any) -> Node:
    values = _own_memory(encoder, series._mgr.blocks[0].values)
    return ["Series", values, *map(encoder.item, (series.index, series.name, series.attrs))]


def _read_series(decoder: Decoder, node: Node) -> Any:
    pandas = decoder.library("pandas")
    values, index, name, attrs = map(decoder.item, node[1:5])
    series = pandas.Series(values, index=index, name=name, dtype=values.dtype, copy=False)
    decoder.later(lambda: series.attrs.update(attrs))
    return series


# indexes


def _write_range(encoder: Encoder, index: Any) -> Node:
    return ["RangeIndex", index.start, index.stop, index.step, encoder.item(index.name)]


def _read_range(decoder: Decoder, node: Node) -> Any:
    return decoder.library("pandas").RangeIndex(*node[1:4], name=decoder.item(node[4]))


def _write_levels(encoder: Encoder, index: Any) -> Node:
    codes = [encoder.item(encoder.keep(codes)) for codes in index.codes]
    return ["MultiIndex", encoder.items(list(index.levels)), codes, encoder.items(list(index.names))]


def _read_levels(decoder: Decoder, node: Node) -> Any:
    levels, codes, names = ([decoder.item(item) for item in items] for items in node[1:4])
    return decoder.library("pandas").MultiIndex(
        levels, codes, names=names, verify_integrity=not decoder.is_trusted
    )


def _write_index(encoder: Encoder, index: Any) -> Node:
    pandas = sys.modules["pandas"]
    freq = index.freqstr if isinstance(index, pandas.DatetimeIndex | pandas.TimedeltaIndex) else None
    return ["Index", _own_memory(encoder, index._values), encoder.item(index.name), freq]


def _read_index(decoder: Decoder, node: Node) -> Any:
    pandas = decoder.library("pandas")
    _, values, name, freq = node
    found = decoder.item(values)
    index = pandas.Index(found, dtype=found.dtype, name=decoder.item(name), copy=False)
    if freq is not None:
        index.freq = freq
    return index


# extension arrays, each by the arrays that it is made of


def _write_extension_array(encoder: Encoder, array: Any) -> Node | None:
    """``[pandas array, family, dtype, …]``."""
    family = type(array).__name__
    known = _FAMILIES.get(family)
    if known is None or not _is_pandas_own(array):
        return None
    return ["pandas array", family, str(array.dtype), *known[0](encoder, array)]


def _read_extension_array(decoder: Decoder, node: Node) -> Any:
    _, family, dtype, *rest = node
    if family not in _FAMILIES:
        raise Unreadable(f"there is no {family} of pandas here")
    return _FAMILIES[family][1](decoder, dtype, rest)


def _write_masked(encoder: Encoder, array: Any) -> list[Any]:
    return [encoder.item(array._data), encoder.item(array._mask)]


def _masked_reader(name: str) -> Callable[[Decoder, str, list[Any]], Any]:
    def read(decoder: Decoder, _: str, rest: list[Any]) -> Any:
        return getattr(decoder.library("pandas").arrays, name)(*map(decoder.item, rest))

    return read


def _write_moments(encoder: Encoder, array: Any) -> list[Any]:
    """Dates, times and periods: 64-bit integers, in one dimension or as a block in two."""
    return [encoder.item(encoder.keep(array._ndarray.view("i8")))]


def _read_moments(decoder: Decoder, dtype: str, rest: list[Any]) -> Any:
    pandas = decoder.library("pandas")
    numbers = decoder.item(rest[0])
    kind = pandas.api.types.pandas_dtype(dtype)
    if isinstance(kind, pandas.PeriodDtype):
        return pandas.arrays.PeriodArray(numbers, dtype=kind)
    if isinstance(kind, pandas.DatetimeTZDtype):
        flat = pandas.DatetimeIndex(numbers.reshape(-1).view(f"M8[{kind.unit}]"), tz="UTC", copy=False)
        return flat.tz_convert(kind.tz).array.reshape(numbers.shape)
    make = pandas.DatetimeIndex if kind.kind == "M" else pandas.TimedeltaIndex
    return make(numbers.reshape(-1).view(kind), copy=False).array.reshape(numbers.shape)


def _write_categories(encoder: Encoder, array: Any) -> list[Any]:
    return [encoder.item(array._codes), encoder.item(array.categories), bool(array.ordered)]


def _read_categories(decoder: Decoder, _: str, rest: list[Any]) -> Any:
    codes, categories, ordered = map(decoder.item, rest)
    return decoder.library("pandas").Categorical.from_codes(codes, categories, ordered=ordered)


def _write_intervals(encoder: Encoder, array: Any) -> list[Any]:
    return [encoder.item(encoder.keep(array.left)), encoder.item(encoder.keep(array.right)), array.closed]


def _read_intervals(decoder: Decoder, _: str, rest: list[Any]) -> Any:
    left, right, closed = map(decoder.item, rest)
    return decoder.library("pandas").arrays.IntervalArray.from_arrays(left, right, closed)


def _write_sparse(encoder: Encoder, array: Any) -> list[Any]:
    indices = encoder.keep(array.sp_index.indices)
    return [
        encoder.item(array.sp_values),
        encoder.item(indices),
        len(array),
        type(array.sp_index).__name__,
        *map(encoder.item, [array.fill_value]),
    ]


def _read_sparse(decoder: Decoder, _: str, rest: list[Any]) -> Any:
    pandas = decoder.library("pandas")
    values, indices, length, kind, fill = map(decoder.item, rest)
    dtype = pandas.SparseDtype(values.dtype, fill)
    words = {"IntIndex": "integer", "BlockIndex": "block"}[kind]
    from_indices = getattr(pandas.arrays.SparseArray, "from_indices", None)
    if from_indices is not None:
        return from_indices(values, indices, length, fill_value=fill, kind=words, dtype=values.dtype)
    index = sys.modules["pandas._libs.sparse"].IntIndex(length, indices)
    index = index if words == "integer" else index.to_block_index()
    return pandas.arrays.SparseArray(values, sparse_index=index, dtype=dtype)


def _write_strings(encoder: Encoder, array: Any) -> list[Any]:
    """The missing value is part of the dtype; its words don't always tell."""
    dtype = array.dtype
    is_nan = getattr(dtype, "na_value", None) is not sys.modules["pandas"].NA
    held = array._pa_array if dtype.storage.startswith("pyarrow") else array._ndarray
    return [encoder.item(held), dtype.storage, is_nan]


def _read_strings(decoder: Decoder, _: str, rest: list[Any]) -> Any:
    pandas = decoder.library("pandas")
    held, storage, is_nan = map(decoder.item, rest)
    dtype = pandas.StringDtype(storage, na_value=float("nan")) if is_nan else pandas.StringDtype(storage)
    return (
        dtype.__from_arrow__(held)
        if storage.startswith("pyarrow")
        else pandas.array(held, dtype=dtype, copy=False)
    )


def _write_arrow(encoder: Encoder, array: Any) -> list[Any]:
    return [encoder.item(array._pa_array)]


def _read_arrow(decoder: Decoder, _: str, rest: list[Any]) -> Any:
    return decoder.library("pandas").arrays.ArrowExtensionArray(decoder.item(rest[0]))


def _write_wrapped(encoder: Encoder, array: Any) -> list[Any]:
    return [encoder.item(array._ndarray)]


_MOMENTS = (_write_moments, _read_moments)
_STRINGS = (_write_strings, _read_strings)
_FAMILIES: dict[str, tuple[Callable[..., list[Any]], Callable[..., Any]]] = {
    "IntegerArray": (_write_masked, _masked_reader("IntegerArray")),
    "FloatingArray": (_write_masked, _masked_reader("FloatingArray")),
    "BooleanArray": (_write_masked, _masked_reader("BooleanArray")),
    "DatetimeArray": _MOMENTS,
    "TimedeltaArray": _MOMENTS,
    "PeriodArray": _MOMENTS,
    "Categorical": (_write_categories, _read_categories),
    "IntervalArray": (_write_intervals, _read_intervals),
    "SparseArray": (_write_sparse, _read_sparse),
    "StringArray": _STRINGS,
    "StringArrayNumpySemantics": _STRINGS,
    "ArrowStringArray": _STRINGS,
    "ArrowStringArrayNumpySemantics": _STRINGS,
    "ArrowExtensionArray": (_write_arrow, _read_arrow),
    "NumpyExtensionArray": (_write_wrapped, _masked_reader("NumpyExtensionArray")),
}


# scalars


def _write_moment(_: Encoder, value: Any) -> Node | None:
    zone = getattr(value, "tz", None)
    name = str(zone) if zone is not None else None
    if name is not None and sys.modules["pandas"].Timestamp(value.value, unit="ns", tz=name).tz != zone:
        return None
    return [type(value).__name__, value.asm8.view("i8").item(), value.unit, name]


def _read_moment(decoder: Decoder, node: Node) -> Any:
    pandas, numpy = decoder.library("pandas"), decoder.library("numpy")
    kind, number, unit, zone = node
    if kind == "Timedelta":
        return pandas.Timedelta(numpy.timedelta64(number, unit)).as_unit(unit)
    moment = pandas.Timestamp(numpy.datetime64(number, unit)).as_unit(unit)
    return moment if zone is None else moment.tz_localize("UTC").tz_convert(zone)


READERS: dict[str, Callable[[Any, Any], Any]] = {
    "DataFrame": _read_frame,
    "Series": _read_series,
    "RangeIndex": _read_range,
    "MultiIndex": _read_levels,
    "Index": _read_index,
    "pandas array": _read_extension_array,
    "Timestamp": _read_moment,
    "Timedelta": _read_moment,
    "NaT": lambda decoder, _: decoder.library("pandas").NaT,
    "NA": lambda decoder, _: decoder.library("pandas").NA,
}
