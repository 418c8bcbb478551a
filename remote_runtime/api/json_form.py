"""The one JSON form of every API type: msgspec's, which ignores fields that this version does not know."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

import msgspec

from ..errors import BadRequest
from .gpus import GpuTable
from .request import Request
from .walls import Network

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Plain dicts, lists (or tuples), texts and numbers for any API type; times become ISO 8601 texts."""
    return msgspec.to_builtins(value, enc_hook=_encode)


def from_json(cls: type[T], value: Any, table: GpuTable | None = None) -> T:
    """An API type from what `to_json` made; raises `BadRequest` that names the field at fault.

    With a table, requests inside may name its GPU types only (`UnknownGpu`); see `Request.from_json`.
    """
    try:
        return msgspec.convert(value, cls, dec_hook=partial(_decode, table))
    except msgspec.ValidationError as error:
        raise BadRequest(f"not a valid {cls.__name__}: {error}") from error


def encode(value: Any) -> bytes:
    """`to_json` as UTF-8 bytes."""
    return msgspec.json.encode(value, enc_hook=_encode)


def decode(data: bytes | str) -> Any:
    """Any JSON document; raises `BadRequest` for what is none."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadRequest(f"malformed JSON: {error}") from error


def _encode(value: Any) -> Any:
    if isinstance(value, Request):
        return value.to_json()
    if isinstance(value, Network):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


def _decode(table: GpuTable | None, cls: type, value: Any) -> Any:
    if cls is Request:
        return Request.from_json(value, table)
    if cls is Network:
        return Network.from_json(value)
    raise NotImplementedError(f"{cls.__name__} has no JSON form")
