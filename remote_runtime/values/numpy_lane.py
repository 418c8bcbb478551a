"""Arrays and scalars of numpy: whichever order and strides, views as views."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .errors import Unreadable
from .kinds import is_atom
from .memory import Stretch

if TYPE_CHECKING:
    from .decoder import Decoder
    from .encoder import Encoder, Node


def is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray and not value.dtype.hasobject


def writer(value: Any) -> Any:
    numpy = sys.modules["numpy"]
    if type(value) is numpy.ndarray:
        return _write_objects if value.dtype == object else _write_array
    return _write_scalar if isinstance(value, numpy.generic) else None


def _write_array(encoder: Encoder, array: Any) -> Node | None:
    dtype = words_of(array.dtype)
    if dtype is None:
        return None
    node = ["array", None, 0, dtype, list(array.shape), list(array.strides), array.flags.writeable]
    if array.nbytes:
        encoder.lies(_stretch(node, array), array)
    return node


def _stretch(node: Node, array: Any) -> Stretch:
    start, low = array.__array_interface__["data"][0], _lowest(array)
    forward = sum(
        max(0, (length - 1) * stride) for length, stride in zip(array.shape, array.strides, strict=True)
    )

    def pack() -> Stretch:
        packed = array.copy()
        node[5] = list(packed.strides)
        return _stretch(node, packed)

    return Stretch(node, low, start + forward + array.itemsize, start, array.nbytes, array, pack)


def _read_array(decoder: Decoder, node: Node) -> Any:
    numpy = decoder.library("numpy")
    _, segment, offset, words, shape, strides, is_writable = node
    dtype = dtype_of(words, numpy)
    if segment is None:
        array = numpy.zeros(shape, dtype)
    else:
        array = numpy.ndarray(shape, dtype, decoder.memory(segment), offset, strides)
    array.flags.writeable = is_writable
    return array


# arrays of objects: their memory holds addresses, so the objects lie in a pool that views share


def _write_objects(encoder: Encoder, array: Any) -> Node | None:
    root = array
    while type(root.base) is type(array) and root.base.dtype == array.dtype:
        root = root.base
    if root.base is not None and not (root.flags.c_contiguous or root.flags.f_contiguous):
        return None
    if ("pool", id(root)) not in encoder.made:
        items = root.ravel(order="K").tolist()
        encoder.made["pool", id(root)] = tuple(items) if all(map(is_atom, items)) else items
    pool = encoder.made["pool", id(root)]
    offset = array.__array_interface__["data"][0] - _lowest(root)
    strides = list(array.strides) if array.size else [0] * array.ndim
    return ["objects", encoder.item(pool), offset, list(array.shape), strides, array.flags.writeable]


def _lowest(array: Any) -> int:
    """The address at which an array's memory begins: negative strides begin at its end."""
    back = sum(
        min(0, (length - 1) * stride) for length, stride in zip(array.shape, array.strides, strict=True)
    )
    return int(array.__array_interface__["data"][0] + back)


def _read_objects(decoder: Decoder, node: Node) -> Any:
    numpy = decoder.library("numpy")
    _, item, offset, shape, strides, is_writable = node

    def make() -> Any:
        pool = decoder.item(item)
        length = decoder.length(item)
        flat = numpy.empty(length, object)

        def fill() -> None:
            for index, value in enumerate(pool):
                flat[index] = value

        if isinstance(pool, tuple):
            fill()
        else:
            decoder.later(fill)
        return flat

    flat = decoder.once(("pool", item[0]), make)
    _ = numpy.ndarray(
        shape, numpy.intp, numpy.empty(max(1, flat.size), numpy.intp), offset, strides
    )  # it is in there
    start = flat[offset // flat.itemsize :]
    return numpy.lib.stride_tricks.as_strided(start, shape, strides, writeable=is_writable)


# scalars


def _write_scalar(_: Encoder, scalar: Any) -> Node | None:
    words = words_of(scalar.dtype)
    return ["scalar", words, scalar.tobytes().hex()] if words is not None else None


def _read_scalar(decoder: Decoder, node: Node) -> Any:
    numpy = decoder.library("numpy")
    dtype = dtype_of(node[1], numpy)
    return (
        numpy.frombuffer(bytes.fromhex(node[2]), dtype)[0] if dtype.itemsize else numpy.zeros((), dtype)[()]
    )


# dtypes


def words_of(dtype: Any) -> Any:
    """A dtype in words; None for one that has no plain items, or that another library brought."""
    if dtype.hasobject or dtype.metadata or dtype.isbuiltin == 2 or dtype.kind not in "biufcmMSUV":
        return None
    if dtype.subdtype is not None:
        base = words_of(dtype.subdtype[0])
        return {"base": base, "shape": list(dtype.subdtype[1])} if base is not None else None
    if dtype.fields is None:
        return dtype.str
    fields = [dtype.fields[name] for name in dtype.names]
    formats = [words_of(field[0]) for field in fields]
    if None in formats:
        return None
    return {
        "names": list(dtype.names),
        "formats": formats,
        "offsets": [field[1] for field in fields],
        "titles": [field[2] if len(field) > 2 else None for field in fields],
        "itemsize": dtype.itemsize,
        "aligned": dtype.isalignedstruct,
    }


def dtype_of(words: Any, numpy: Any) -> Any:
    if isinstance(words, str):
        dtype = numpy.dtype(words)
        if dtype.hasobject:
            raise Unreadable("an array of objects has no plain memory")
        return dtype
    if "base" in words:
        return numpy.dtype((dtype_of(words["base"], numpy), tuple(words["shape"])))
    fields = {**words, "formats": [dtype_of(one, numpy) for one in words["formats"]]}
    is_aligned = fields.pop("aligned")
    if not any(fields["titles"]):
        del fields["titles"]
    return numpy.dtype(fields, align=is_aligned)


READERS = {"array": _read_array, "objects": _read_objects, "scalar": _read_scalar}
