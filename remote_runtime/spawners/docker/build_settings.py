"""What the builder of images is told by its operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .image_names import Bases
from .image_uses import KeepRules


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """`folder` has marks of use, and what is on its way to the engine, `archives` has the files of `COPY` steps.

    `network` is ``egress``, which is the proxy that listens at the socket `egress`, ``none``, or the engine's name of
    one. `arguments` are variables of every step of a build.
    """

    bases: Bases
    folder: Path
    archives: Path
    network: str
    egress: Path
    arguments: Mapping[str, str]
    keep: KeepRules
    memory_bytes: int | None = None
    cgroup_parent: str = ""
