"""What is asked of the engine for one build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BuildCall:
    """One build: what the engine is asked, beside the context."""

    tag: str
    network: str
    arguments: Mapping[str, str]
    memory_bytes: int | None = None
    cgroup_parent: str = ""
