"""The seam behind the process spawner: what holds the processes of one container together.

Two ways exist: a cgroup of its own (`cgroups`), which nothing leaves, and a marker in the environment (`markers`),
which every machine has. The spawner uses all that the machine gives, in that order.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..api import GatewayId, LeaseId, SessionId
from . import procfs

_NAME = re.compile(r"farcell\.([\w-]+)\.([\w-]+)\.([\w-]+)", re.ASCII)
AGENT = "FARCELL_AGENT"
"""The variable in which an agent, and with it all that comes out of it, carries the agent's own pid."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Whose a container is: in its processes' environment, in its cgroup's name and in the spawner's register."""

    gateway_id: GatewayId
    session_id: SessionId
    lease_id: LeaseId

    @property
    def name(self) -> str:
        name = f"farcell.{self.gateway_id}.{self.session_id}.{self.lease_id}"
        if not _NAME.fullmatch(name):
            raise ValueError(f"{self} can't be a file's name")
        return name

    @classmethod
    def from_name(cls, name: str) -> Labels | None:
        match = _NAME.fullmatch(name)
        return cls(GatewayId(match[1]), SessionId(match[2]), LeaseId(match[3])) if match else None

    @property
    def environment(self) -> dict[str, str]:
        return {
            "FARCELL_GATEWAY": self.gateway_id,
            "FARCELL_SESSION": self.session_id,
            "FARCELL_LEASE": self.lease_id,
        }

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Labels | None:
        values = [environment.get(f"FARCELL_{what}", "") for what in ("GATEWAY", "SESSION", "LEASE")]
        return cls.from_name(".".join(["farcell", *values]))


@dataclass(frozen=True, slots=True)
class Limits:
    """What one container may use at most; None is no limit. Only a cgroup can hold them."""

    pids: int | None = 4096
    memory_bytes: int | None = None

    def files(self) -> dict[str, int]:
        """The limits that there are, by the cgroup's file that holds each."""
        limits = {"pids.max": self.pids, "memory.max": self.memory_bytes}
        return {name: limit for name, limit in limits.items() if limit is not None}


Members = dict[Labels, set[int]]


class Containment(ABC):
    """One way to hold containers together. Every method blocks, and may be called in any thread at the same time."""

    name: ClassVar[str]

    def enclose(self, labels: Labels) -> Path | None:  # noqa: ARG002 - for those that need it
        """Makes the enclosure: the cgroup that the container's first process has to enter before it is the agent."""
        return None

    @abstractmethod
    def members(self) -> Members:
        """Every container that this way knows, of all gateways, with the pids that run in it: the truth, read now."""

    @abstractmethod
    def kill(self, lease_id: LeaseId) -> bool:
        """One round of ending a container; True when something may be left, and the caller has to come again."""


def labels_of(pid: int) -> Labels | None:
    """The container that a process belongs to, as far as its cgroup or its environment tells."""
    return cgroup_labels(pid) or Labels.from_environment(procfs.environment(pid))


def cgroup_labels(pid: int) -> Labels | None:
    path = procfs.cgroup(pid)
    parts = path.parts if path else ()
    return next((labels for labels in map(Labels.from_name, reversed(parts)) if labels), None)


def is_agent(pid: int) -> bool:
    return procfs.environment(pid).get(AGENT) == str(pid)


def family(marked: AbstractSet[int], processes: Mapping[int, procfs.Process]) -> set[int]:
    """The marked processes with their descendants and with everything in the sessions that are theirs.

    A session is theirs when its leader is, or when its leader has gone. So a person's login session stays out of it,
    whatever she exports there.
    """
    found = set(marked) & processes.keys()
    while True:
        sessions = {processes[pid].session for pid in found} - {0}
        theirs = {session for session in sessions if session in found or session not in processes}
        more = {one.pid for one in processes.values() if one.parent in found or one.session in theirs} - found
        if not more:
            return found
        found |= more
