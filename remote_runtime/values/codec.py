"""Variables as a header and buffers, and back: aliases, views and cycles as they were.

The header is JSON behind a version; the buffers are the values' own memory, which must not change until they are sent.
Runs in the notebook's kernel and in the far one: standard library and cloudpickle only, and libraries that are loaded.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .code_source import NoSource
from .decoder import Decoder
from .encoder import Encoder, TooMany
from .errors import CannotSend, NotTrusted, Unreadable
from .pickling import ValuesPickler, ValuesUnpickler
from .references import first_path

VERSION = 1


_MOST_NODES = 10_000
"""Pickle is quicker with more containers than these; where it may be used, they are left to it."""


@dataclass(frozen=True, slots=True)
class Sending:
    """`code_as_source`: the other side's Python has another minor version.

    `without_pickle`: for a side that does not trust this one, what can be goes without; dataclasses of the notebook
    then go by their names, and have to be there.
    """

    code_as_source: bool = False
    without_pickle: bool = False


@dataclass(frozen=True, slots=True)
class Encoded:
    """`pickled` are the names that only somebody who trusts this side can have."""

    header: bytes
    buffers: tuple[memoryview, ...]
    pickled: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        return len(self.header) + sum(view.nbytes for view in self.buffers)


def encode(
    variables: Mapping[str, Any], namespace: dict[str, Any], sending: Sending | None = None
) -> Encoded:
    """Raises `CannotSend`. Functions have `namespace` as their globals here; there, they have that side's."""
    sending = sending or Sending()
    encoder, names = _plain(variables, sending)
    pickled = tuple(name for name in variables if name not in names)
    header: dict[str, Any] = {"version": VERSION, "order": list(variables), "names": names}
    if pickled:
        rest = {name: variables[name] for name in pickled}
        stream, buffers = _pickle(rest, encoder, namespace, sending)
        header["pickle"] = {"names": list(pickled), "stream": encoder.buffer(stream), "buffers": buffers}
    found = encoder.finish()
    first = len(encoder.buffers)
    segments = [[first + number, segment.is_bytearray] for number, segment in enumerate(found)]
    text = json.dumps({**header, "nodes": encoder.nodes, "segments": segments}, separators=(",", ":"))
    return Encoded(text.encode("ascii"), (*encoder.buffers, *(segment.view for segment in found)), pickled)


def _plain(variables: Mapping[str, Any], sending: Sending) -> tuple[Encoder, dict[str, Any]]:
    if sending.without_pickle:
        encoder = Encoder(by_name=True)
        return encoder, encoder.add(variables)
    try:
        encoder = Encoder(by_name=False, most_nodes=_MOST_NODES)
        return encoder, encoder.add(variables)
    except TooMany:
        encoder = Encoder(by_name=False, nests=False)
        return encoder, encoder.add(variables)


def _pickle(
    rest: dict[str, Any], encoder: Encoder, namespace: dict[str, Any], sending: Sending
) -> tuple[bytes, list[int]]:
    written = io.BytesIO()
    pickler = ValuesPickler(written, encoder, namespace, as_source=sending.code_as_source)
    try:
        pickler.dump(rest)
    except NoSource as error:
        raise _cannot_send(rest, pickler.newest, str(error)) from error
    except Exception as error:  # whatever a class's own __reduce__ raises
        raise _cannot_send(rest, pickler.newest, f"{type(error).__name__}: {error}") from error
    return written.getvalue(), pickler.buffers


def _cannot_send(variables: dict[str, Any], culprit: Any, reason: str) -> CannotSend:
    """Names the first path that there is; a part of the culprit's own making has none."""
    paths = (first_path(name, value, culprit) for name, value in variables.items())
    found = next((path for path in paths if path is not None), None)
    return CannotSend(found or ", ".join(variables), type(culprit).__qualname__, reason)


def needs_unpickling(header: bytes) -> tuple[str, ...]:
    """The names that `decode` would refuse from a side that is not trusted."""
    return tuple(_read(header).get("pickle", {}).get("names", ()))


def decode(
    header: bytes, buffers: Sequence[Any], namespace: dict[str, Any], *, trusted: bool
) -> dict[str, Any]:
    """The variables. Buffers that can be written to become their memory; others are copied.

    Raises `NotTrusted` before it has built anything, and `Unreadable`.
    """
    found = _read(header)
    pickled = found.get("pickle")
    if pickled is not None and not trusted:
        raise NotTrusted(pickled.get("names", ()))
    decoder = Decoder(found, buffers, namespace, is_trusted=trusted)
    try:
        values = decoder.values(found["names"])
        if pickled is not None:
            held = [buffers[number] for number in pickled["buffers"]]
            values |= ValuesUnpickler(buffers[pickled["stream"]], held, decoder, namespace).load()
    except (
        LookupError,
        TypeError,
        ValueError,
        OverflowError,
        AttributeError,
        RecursionError,
        MemoryError,
    ) as error:
        if pickled is not None:
            raise
        raise Unreadable(f"the values can't be read: {type(error).__name__}: {error}") from error
    return {name: values[name] for name in found["order"]}


def _read(header: bytes) -> dict[str, Any]:
    try:
        found = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the values' header can't be read: {error}") from error
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise Unreadable("the values' header is of another version: is the other side newer?")
    return found
