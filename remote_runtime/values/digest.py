"""A digest of all that variables are: equal only if what would be sent is.

It is made of the same nodes, pickle and buffers as are sent, so aliases and views count, too. It is of use in one
process: of objects that did not change it stays, of equal ones it may differ.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from .codec import Encoded, encode
from .errors import CannotSend

_THREADS_FROM_BYTES = 1 << 20


def digest_of(variables: Mapping[str, Any], namespace: dict[str, Any]) -> bytes:
    """Of what can't be sent it is another each time: such a thing counts as changed."""
    try:
        return digest(encode(variables, namespace))
    except CannotSend:
        return secrets.token_bytes(32)


def digest(encoded: Encoded) -> bytes:
    """Nothing is sampled and nothing is copied."""
    return _digest((encoded.header, *(part for view in encoded.buffers for part in (_length(view), view))))


def _length(view: memoryview) -> bytes:
    return view.nbytes.to_bytes(8)


def _digest(parts: Iterable[Any]) -> bytes:
    """BLAKE3 is the quickest; the far kernel may have to do without."""
    try:
        from blake3 import blake3
    except ImportError:
        plain = hashlib.blake2b(digest_size=32)
        for part in parts:
            plain.update(part)
        return plain.digest()
    quick = blake3()
    threaded = blake3(max_threads=blake3.AUTO)
    for part in parts:
        if len(part) < _THREADS_FROM_BYTES:
            quick.update(part)
        else:
            threaded.reset()
            threaded.update(part)
            quick.update(threaded.digest())
    return quick.digest()
