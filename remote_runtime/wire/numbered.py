"""A kernel message with its place in the journal: what agents send, and what `farcell.client.v1` passes on.

::

    offset  0  previous  u64  the position of the message before this one that goes to our own clients
            8  position  u64  this one's; 0: it is in no journal
           16  message        in the v1 WebSocket layout

All integers are little-endian. A client that has seen less than `previous` has missed something, and reads it in the
journal; an empty message at position 0 says just that. So comes a message of more than `BY_JOURNAL_BYTES` too: in its
place its own position as `previous`, so that nothing has to wait behind it.

One client holds a session. It says who it is when it connects: ``?client=NONCE&name=WHO``, the nonce made once by its
process. With ``&take=1`` it takes the session over: whoever held it before is closed on with `TAKEN_OVER` and the new
one's name as the reason. Without, as after a broken link, it is refused (409, ``taken-over``) if another has taken the
session over meanwhile. Who says no nonce shares the session with whoever holds it; so do Jupyter's own clients.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from ..errors import BadFrame

OWN_CLIENTS: Final = 1
"""The client number that all clients of `farcell.client.v1` share: each gets all replies and picks its own."""
NUDGE: Final = 0
"""The position of what is in no journal."""
BROADCAST: Final = 0
"""The client number of what every client gets."""
BY_JOURNAL_BYTES: Final = 4 << 20
TAKEN_OVER: Final = 4409
_HEAD = struct.Struct("<QQ")


class Numbered(NamedTuple):
    """`message` is a view of what was unpacked."""

    previous: int
    position: int
    message: memoryview


def pack(previous: int, position: int, message: bytes | memoryview) -> bytes:
    return b"".join((_HEAD.pack(previous, position), message))


def unpack(data: bytes | memoryview) -> Numbered:
    """Raises `BadFrame` for what is too short; the message is not looked at."""
    if len(data) < _HEAD.size:
        raise BadFrame("a numbered message has 16 bytes at least")
    previous, position = _HEAD.unpack_from(data)
    return Numbered(previous, position, memoryview(data)[_HEAD.size :])
