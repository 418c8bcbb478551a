"""Tells a restart from a new start: some front ends restart a kernel with SIGTERM and a new start.

Such a start comes soon, for the same notebook and from the same parent process; a window that was closed and opened
again has another parent, and a notebook that was closed and opened again takes longer.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import psutil

from farcell.remote_runtime import config

WITHIN_S = 60.0
BEFORE_S = 15.0
"""VS Code starts the new kernel while it still looks for what descends from the old one, for up to 1 s; SIGTERM comes
after that, and on a slow machine its handler runs late. A process's start time may itself be 1 s too early."""


def leave(notebook: str) -> None:
    """Called as this kernel is told to end: who starts in its place may be a restart."""
    path = _path(notebook)
    config.make_private(path.parent)
    config.write_private(path, json.dumps({"parent": _parent(), "at": time.time()}))


def take(notebook: str) -> bool:
    """Whether this process is a restart of the one that left a note; the note counts once."""
    path = _path(notebook)
    try:
        note: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    path.unlink(missing_ok=True)
    if not isinstance(note, dict) or not isinstance(note.get("at"), float):
        return False
    started = psutil.Process().create_time()
    return note.get("parent") == _parent() and -BEFORE_S < started - note["at"] < WITHIN_S


def _parent() -> list[float]:
    """Its pid and start time: a pid alone is used again."""
    pid = os.getppid()
    try:
        return [float(pid), psutil.Process(pid).create_time()]
    except psutil.Error:
        return [float(pid), 0.0]


def _path(notebook: str) -> Path:
    name = hashlib.sha256(os.fsencode(notebook)).hexdigest()[:32]
    return config.data_dir() / "kernels" / f"{name}.json"
