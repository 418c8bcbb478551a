"""What the engine says of a container, in the contract's words; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..contract import ContainerState
from . import layout

_RUNNING = ("running", "paused", "restarting")
_EXITED = re.compile(r"Exited \((\d+)\)")


def state_of(status: str) -> ContainerState:
    """Of ``created``, ``running``, ``paused``, ``restarting``, ``removing``, ``exited``, ``dead`` and Podman's like."""
    return ContainerState.RUNNING if status.lower() in _RUNNING else ContainerState.DEAD


def exit_code(status: str) -> int | None:
    """From the sentence in a list of containers: ``Exited (3) 5 seconds ago``."""
    found = _EXITED.match(status)
    return int(found[1]) if found else None


def folder_of(mounts: Iterable[Mapping[str, Any]]) -> Path | None:
    """The lease's folder, from what the container mounts."""
    found = (one.get("Source") for one in mounts if one.get("Destination") == layout.LEASE)
    source = next(found, None)
    return Path(str(source)) if source else None
