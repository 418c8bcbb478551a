"""Which names a volume takes. Pure.

Paths are bytes, relative, with ``/``; names need not be UTF-8, since Linux' need not. Links are kept when they lead, by
their text alone, to a place inside the tree.
"""

from __future__ import annotations

import os
from typing import Final

from .errors import BadName

NAME_BYTES: Final = 255
"""What Linux' and macOS' file systems take."""
PATH_BYTES: Final = 4095
"""Linux' PATH_MAX, less the byte that ends it."""


def check_path(path: bytes) -> bytes:
    """The path as it came; raises `BadName` where it can't be one of a volume's."""
    if len(path) > PATH_BYTES:
        raise BadName(f"a path has at most {PATH_BYTES} bytes, and this one {len(path)}: {shown(path[:80])}…")
    for name in path.split(b"/"):
        problem = _problem(name)
        if problem:
            raise BadName(f"{shown(path)} is no path in a volume: {problem}", path=shown(path))
    return path


def to_path(text: str) -> bytes:
    """What a person typed: ``/`` at either end means the volume's root; raises `BadName`."""
    path = os.fsencode(text).strip(b"/")
    return check_path(path) if path else path


def shown(path: bytes) -> str:
    r"""For people and JSON: what is no UTF-8 is shown as ``\xff``."""
    return path.decode("utf-8", "backslashreplace")


def stays_inside(path: bytes, target: bytes) -> bool:
    """Whether a link at a path leads to a place in the same tree; absolute ones and empty ones don't."""
    if not target or target.startswith(b"/") or b"\0" in target:
        return False
    depth = path.count(b"/")
    for name in target.split(b"/"):
        if name == b"..":
            depth -= 1
        elif name not in (b"", b"."):
            depth += 1
        if depth < 0:
            return False
    return True


def _problem(name: bytes) -> str:
    if not name:
        return "it has an empty name"
    if name in (b".", b".."):
        return f"{name.decode()} is not taken"
    if b"\0" in name:
        return "a name has a zero byte"
    if len(name) > NAME_BYTES:
        return f"a name has at most {NAME_BYTES} bytes, and one has {len(name)}"
    return ""
