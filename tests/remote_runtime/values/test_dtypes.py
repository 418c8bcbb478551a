"""Every dtype of numpy and of pandas, in whatever shape, without pickle."""

from __future__ import annotations

import datetime as dt
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as from_numpy
from round_trip import PLAIN, plain_round_trip, round_trip

from farcell.remote_runtime.values.codec import encode

RECORD = np.dtype(
    [("name", "U4"), ("at", "M8[ms]"), ("xy", "<f4", (2, 3)), ("in", [("a", ">i2"), ("b", "?")])]
)
DTYPES = [
    *(np.dtype(code) for code in "?bhilqBHILQefdgFDG"),
    *map(np.dtype, (">i4", "<u2", "S3", "U5", "V7", "M8[D]", "M8[ns]", ">M8[us]", "m8[s]", "M8", "S0", "U0")),
    RECORD,
    np.dtype([("a", "i1"), ("b", "f8")], align=True),
    np.dtype({"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [8, 0], "itemsize": 16}),
    np.dtype({"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 2]}),
    np.dtype([(("title", "a"), "f8")]),
    np.dtype([]),
]
SHAPES = [
    lambda array: array,
    lambda array: array[:0],
    lambda array: array[0:1].reshape(()),
    lambda array: np.asfortranarray(array.reshape(3, 4)),
    lambda array: array.reshape(3, 4)[:, ::2],
    lambda array: array[::-3],
    lambda array: np.broadcast_to(array[:2], (5, 2)),
    lambda array: array.reshape(3, 2, 2).transpose(2, 0, 1),
]


def assert_same(far: np.ndarray, near: np.ndarray) -> None:
    assert type(far) is type(near)
    assert far.dtype == near.dtype
    assert far.dtype.isalignedstruct == near.dtype.isalignedstruct
    assert far.shape == near.shape
    assert repr(far.tolist()) == repr(near.tolist())
    assert far.flags.writeable == near.flags.writeable


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_an_array_of_every_dtype_and_shape(dtype, shape):
    items = np.frombuffer(np.random.default_rng(0).bytes(12 * dtype.itemsize or 1), "u1", 12 * dtype.itemsize)
    if dtype.kind in "?U":
        items = items % 2
        items = items if dtype.kind == "?" else np.zeros_like(items)
    whole = np.ndarray((12,), dtype, items.tobytes() or b"\0").copy()
    near = SHAPES[shape](whole)
    assert_same(plain_round_trip({"v": near})["v"], near)


def test_strides_that_hold_together_stay_as_they_are():
    near = {
        "f": np.asfortranarray(np.ones((3, 4))),
        "t": np.ones((3, 4, 5)).transpose(2, 0, 1),
        "r": np.arange(9)[::-1],
    }
    far = plain_round_trip(near)
    assert {name: one.strides for name, one in far.items()} == {
        name: one.strides for name, one in near.items()
    }


@settings(max_examples=40)
@given(st.data())
def test_any_array_that_hypothesis_makes(data):
    dtypes = from_numpy.scalar_dtypes() | from_numpy.array_dtypes() | from_numpy.nested_dtypes()
    near = data.draw(from_numpy.arrays(dtypes, from_numpy.array_shapes(min_dims=0, min_side=0, max_side=4)))
    assert_same(plain_round_trip({"v": near})["v"], near)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_scalar_of_every_dtype(dtype):
    near = np.zeros((), dtype)[()]
    far = plain_round_trip({"v": near})["v"]
    assert isinstance(far, np.generic)
    assert far.dtype == near.dtype
    assert far.tobytes() == near.tobytes()


def test_objects_keep_their_views_and_their_order():
    near = {"a": np.array([[1, "b"], [None, 2.5]], dtype=object, order="F")}
    near |= {"t": near["a"].T, "row": near["a"][1], "back": near["a"].ravel(order="K")[::-1]}
    far = plain_round_trip(near)
    far["row"][0] = "new"
    near["row"][0] = "new"
    assert all((far[name] == near[name]).all() and far[name].strides == near[name].strides for name in near)


def test_an_array_that_holds_itself():
    near = np.array([None, [1]], dtype=object)
    near[0] = near
    far = plain_round_trip({"v": near})["v"]
    assert far[0] is far
    assert far[1] == [1]


@pytest.mark.parametrize(
    "near",
    [
        np.ma.masked_array([1, 2], [True, False]),
        np.rec.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        np.array([("x", 1)], dtype=[("o", object), ("i", int)]),
        np.array(["ab", "c"], dtype=np.dtypes.StringDType()),
        np.array([{1}, range], dtype=object),
    ],
    ids=lambda near: f"{type(near).__name__} {near.dtype}",
)
def test_arrays_that_only_pickle_carries(near):
    far = round_trip({"v": near})["v"]
    assert type(far) is type(near)
    assert far.dtype == near.dtype
    assert (far == near).all()


# pandas

DAYS = pd.date_range("2024-03-30", periods=3)
ARRAYS = {
    "int": np.array([1, 2, 3]),
    "float32": np.array([1, np.nan, 3], "f4"),
    "bool": np.array([True, False, True]),
    "complex": np.array([1j, 2, 3]),
    "object": np.array(["a", None, 1.5], dtype=object),
    "object of moments": np.array([pd.Timestamp("2024"), pd.NaT, pd.Timedelta("1h")], dtype=object),
    "str": pd.array(["a", None, "ü"], dtype="str"),
    "string[python]": pd.array(["a", None, "ü"], dtype="string[python]"),
    "string[pyarrow]": pd.array(["a", None, "ü"], dtype="string[pyarrow]"),
    **{
        name: pd.array([1, None, 3], dtype=name)
        for name in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt64")
    },
    **{name: pd.array([1.5, None, 3], dtype=name) for name in ("Float32", "Float64")},
    "boolean": pd.array([True, None, False], dtype="boolean"),
    "categorical": pd.Categorical(["a", None, "b"], categories=["b", "a", "c"], ordered=True),
    "categorical of moments": pd.Categorical(DAYS),
    "datetime64[ns]": DAYS.as_unit("ns").array,
    "datetime64[s]": DAYS.as_unit("s").array,
    "with a zone": DAYS.tz_localize("Europe/Berlin").array,
    "with an offset": DAYS.tz_localize(dt.timezone(dt.timedelta(hours=5, minutes=30))).array,
    "in UTC": DAYS.tz_localize("UTC").as_unit("ms").array,
    "timedelta": pd.to_timedelta(["1h", None, "3D"]).array,
    "period[M]": pd.period_range("2024", periods=3, freq="M").array,
    "period[W-SAT]": pd.period_range("2024", periods=3, freq="W-SAT").array,
    "interval": pd.interval_range(0, 3, closed="left").array,
    "interval of moments": pd.interval_range(DAYS[0], periods=3).array,
    "sparse": pd.arrays.SparseArray([0.0, 1.0, 0.0], fill_value=0.0),
    "sparse block": pd.arrays.SparseArray([0, 1, 1], kind="block"),
    "sparse nan": pd.arrays.SparseArray([np.nan, 1.0, np.nan]),
    "int64[pyarrow]": pd.array([1, None, 3], dtype="int64[pyarrow]"),
    "list[pyarrow]": pd.array([[1], None, [2, 3]], dtype=pd.ArrowDtype(pa.list_(pa.int8()))),
    "decimal[pyarrow]": pd.array([1, None, 3], dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
    "dictionary[pyarrow]": pd.array(
        ["a", None, "a"], dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))
    ),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_a_column_of_every_dtype(name):
    array = ARRAYS[name]
    near = {
        "series": pd.Series(array, name=("a", 1), index=["x", "y", "z"], dtype=array.dtype),
        "frame": pd.DataFrame(
            {
                "v": pd.Series(array, dtype=array.dtype),
                "n": [1, 2, 3],
                "w": pd.Series(array, dtype=array.dtype),
            }
        ),
        "empty": pd.Series(array, dtype=array.dtype)[:0],
        "index": pd.Index(array, name="i", dtype=array.dtype),
    }
    if isinstance(array, pd.api.extensions.ExtensionArray):
        near["array"] = array
    assert not encode(near, near, PLAIN).pickled
    far = plain_round_trip(near)
    for one in ("series", "empty"):
        pd.testing.assert_series_equal(far[one], near[one], check_freq=True)
        assert far[one].dtype == near[one].dtype
    pd.testing.assert_frame_equal(far["frame"], near["frame"])
    assert (far["frame"].dtypes == near["frame"].dtypes).all()
    pd.testing.assert_index_equal(far["index"], near["index"], exact=True)
    if "array" in near:
        pd.testing.assert_extension_array_equal(far["array"], near["array"])


def test_a_frame_of_all_of_them():
    near = pd.DataFrame({name: pd.Series(array, dtype=array.dtype) for name, array in ARRAYS.items()})
    near.attrs["source"] = ["a test"]
    far = plain_round_trip({"v": near})["v"]
    pd.testing.assert_frame_equal(far, near)
    assert far.attrs == near.attrs


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(3, 9, 2, name="r"),
        pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", None]),
        DAYS,
        pd.date_range("2024", periods=3, freq="MS", tz="US/Eastern"),
        pd.timedelta_range("1h", periods=3),
        pd.CategoricalIndex(["a", "b"]),
        pd.Index([]),
        pd.Index([("a", 1), None], tupleize_cols=False),
    ],
    ids=lambda index: type(index).__name__,
)
def test_an_index_of_every_kind(index):
    near = {
        "i": index,
        "frame": pd.DataFrame(np.ones((len(index), 2)), index=index),
        "wide": pd.DataFrame(columns=index),
    }
    far = plain_round_trip(near)
    pd.testing.assert_index_equal(far["i"], index, exact=True)
    assert getattr(far["i"], "freq", None) == getattr(index, "freq", None)
    pd.testing.assert_frame_equal(far["frame"], near["frame"])
    pd.testing.assert_frame_equal(far["wide"], near["wide"])
    assert far["frame"].index is far["i"]


def test_frames_that_copy_on_write_are_independent_there_as_here():
    near = {"frame": pd.DataFrame({"a": [1, 2, 3]})}
    near |= {"column": near["frame"]["a"], "copy": near["frame"][:2]}
    for side in (near, plain_round_trip(near)):
        side["frame"].iloc[0, 0] = 9
        assert side["column"][0] == side["copy"].iloc[0, 0] == 1


def test_a_frame_that_came_can_be_changed_in_place_and_grown():
    far = plain_round_trip({"v": pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [1.5, 2]})})["v"]
    far["d"] = far.a + 1
    far.loc[0, "c"] = 7
    far = pd.concat([far, far]).sort_values("a")
    assert far.c.tolist() == [7, 7, 2, 2]


def test_a_frame_with_objects_of_a_class_goes_with_pickle():
    near = pd.DataFrame({"o": [{1}, print], "n": [1, 2]})
    assert encode({"v": near}, {}, PLAIN).pickled == ("v",)
    pd.testing.assert_frame_equal(round_trip({"v": near})["v"], near)


def test_a_subclass_keeps_its_class():
    class Frame(pd.DataFrame):
        _metadata = ["unit"]  # noqa: RUF012 (as pandas wants it)

        @property
        def _constructor(self):
            return Frame

    near = Frame({"a": [1]})
    near.unit = "m"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        far = round_trip({"v": near})["v"]
    assert far.unit == "m"
    assert type(far).__name__ == "Frame"


# Arrow and polars


def test_tables_of_arrow():
    table = pa.table(
        {"a": [1, None, 3], "s": ["x", None, "z"], "l": [[1], [], None]}
    ).replace_schema_metadata({"k": "v"})
    near = {
        "table": table,
        "slice": table.slice(1, 1),
        "empty": table.slice(0, 0),
        "batch": table.to_batches()[0],
        "column": pa.chunked_array([[1], [2, 3]]),
        "array": pa.array(["a", None]).dictionary_encode(),
    }
    far = plain_round_trip(near)
    assert all(far[name].equals(near[name]) and type(far[name]) is type(near[name]) for name in near)
    assert far["table"].schema.equals(table.schema, check_metadata=True)


def test_a_large_column_of_arrow_is_not_copied_to_be_sent():
    near = pa.array(np.arange(100_000))
    address = near.buffers()[1].address
    views = [np.frombuffer(view, "u1") for view in encode({"v": near}, {}).buffers if view.nbytes >= 800_000]
    assert [view.ctypes.data for view in views] == [address]


def test_frames_of_polars():
    near = {
        "frame": pl.DataFrame(
            {
                "i": pl.Series([1, None], dtype=pl.Int8),
                "s": ["a", "ü"],
                "c": pl.Series(["a", "b"], dtype=pl.Categorical),
                "e": pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])),
                "t": pl.Series([DAYS[0], DAYS[1]]).dt.replace_time_zone("Europe/Berlin"),
                "l": [[1, 2], None],
                "d": pl.Series(["1.10", None]).cast(pl.Decimal(10, 2)),
                "r": [{"x": 1}, {"x": 2}],
            }
        ),
        "series": pl.Series("named", [1.5, None]),
        "empty": pl.DataFrame(schema={"a": pl.UInt16}),
    }
    far = plain_round_trip(near)
    for name, one in near.items():
        assert far[name].equals(one, null_equal=True)
    assert far["frame"].schema == near["frame"].schema
    assert far["series"].name == "named"


def test_objects_in_polars_are_left_to_pickle():
    encoded = encode({"lazy": pl.DataFrame({"a": [1]}).lazy()}, {}, PLAIN)
    assert encoded.pickled == ("lazy",)
