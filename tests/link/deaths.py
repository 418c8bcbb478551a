"""The points of a start at which a gateway kills itself when it is told to, by SIGKILL: nothing is tidied up."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, NoReturn

from farcell.remote_runtime.gateway import leases
from farcell.remote_runtime.gateway.agents import AgentDesk
from farcell.remote_runtime.gateway.lease_folders import LeaseFolders
from farcell.remote_runtime.gateway.leases import LeaseKeeper
from farcell.remote_runtime.gateway.sessions import SessionDesk
from farcell.remote_runtime.spawners import launch
from farcell.remote_runtime.spawners.docker.spawner import DockerSpawner
from farcell.remote_runtime.spawners.lease_folder import LeaseFolder
from farcell.remote_runtime.spawners.machine import Machine

BEFORE: dict[str, tuple[Any, str]] = {
    "before the session is written": (SessionDesk, "_queue"),
    "before its place is given": (SessionDesk, "place"),
    "before the lease is written": (leases, "_write_start"),
    "before the lease's folder is made": (LeaseFolders, "make"),
    "before the container is registered": (Machine, "start"),
    "before the agent's settings are written": (LeaseFolder, "fill"),
    "before the agent is launched": (launch, "_spawn"),
    "before its agent is bound": (AgentDesk, "bind"),
    "before its kernel is ready": (LeaseKeeper, "agent_ready"),
    "before the engine is asked for the container": (DockerSpawner, "_create"),
}
AFTER: dict[str, tuple[Any, str]] = {
    "after the agent is launched": (launch, "_spawn"),
    "after the agent runs": (Machine, "start"),
    "after its agent is bound": (AgentDesk, "bind"),
    "after its kernel is ready": (LeaseKeeper, "agent_ready"),
    "after the engine has made the container": (DockerSpawner, "_create"),
    "after the engine has started the container": (DockerSpawner, "_start_once"),
}
OF_DOCKER = (
    "before the engine is asked for the container",
    "after the engine has made the container",
    "after the engine has started the container",
)
POINTS = tuple(point for point in BEFORE | AFTER if point not in OF_DOCKER)
"""Those that a start in a process comes to."""


def die_at(point: str) -> None:
    """From now on, the process is killed when it comes to that point."""
    owner, name = (BEFORE | AFTER)[point]
    setattr(owner, name, _dying(getattr(owner, name), before=point in BEFORE))


def _dying(function: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    def dying(*arguments: Any, **named: Any) -> Any:
        if before:
            _die()
        done = function(*arguments, **named)
        return _dying_later(done) if hasattr(done, "__await__") else _die()

    return dying


async def _dying_later(work: Any) -> NoReturn:
    await work
    _die()


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process outlived its SIGKILL")
