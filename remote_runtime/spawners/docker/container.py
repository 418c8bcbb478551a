"""What is asked of the engine for one lease: the body of ``POST /containers/create``; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ...agent.kernel_process import FOR_THE_KERNEL
from ...api import GatewayId, Isolation, LeaseId
from ...errors import BadRequest, ImageNotSupported
from ..caches import cache_environment
from ..containment import Labels
from ..contract import ContainerSpec
from . import layout
from .agent_environment import EMPTY

GATEWAY_LABEL, SESSION_LABEL, LEASE_LABEL = "farcell.gateway", "farcell.session", "farcell.lease"
CAPABILITIES = ("SETUID", "SETGID", "KILL")
"""What is left of root's powers: the agent becomes the gateway's user, and starts and signals the kernel as another."""
STEERS_THE_LOADER = ("LD_", "GLIBC_TUNABLES")
"""How variables begin with which an image would choose what is loaded into its container's programs, the agent too."""
PRELOADS = "/etc/ld.so.preload"
LOG_SIZE = {"max-size": "10m", "max-file": "2"}


@dataclass(frozen=True, slots=True)
class ExtraMount:
    """A folder of the machine's that its operator puts into every container."""

    source: Path
    target: str
    writable: bool = False

    def __str__(self) -> str:
        return f"{self.target} ({'writable' if self.writable else 'read-only'})"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one container may use at most; None is no limit."""

    memory_bytes: int | None = None
    cpus: float | None = None
    pids: int | None = None
    disk_bytes: int | None = None
    shm_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ContainerSettings:
    """What does not depend on the lease alone.

    `agent` is the folder of the agent's environment and `command` starts the agent from where that is mounted.
    `image` is the engine's name of what the lease's image became. `runtimes` are the engine's, by the isolation that
    each gives; an empty one is the engine's default. `gpus` is how devices are asked for: ``cdi`` or ``nvidia``.
    `image_environment` are the image's own variables.
    """

    agent: Path
    command: Sequence[str]
    image: str
    runtimes: Mapping[Isolation, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    mounts: Sequence[ExtraMount] = ()
    gpus: str = "nvidia"
    image_environment: Mapping[str, str] = field(default_factory=dict)


def image_environment(facts: Mapping[str, Any]) -> dict[str, str]:
    """The variables of what the engine knows of an image. Raises `ImageNotSupported` for one that declares volumes."""
    config = facts.get("Config") or {}
    if volumes := config.get("Volumes"):
        raise ImageNotSupported(
            f"the image declares {', '.join(sorted(volumes))} to be volumes, and nothing limits what is written there: "
            "take one without VOLUME"
        )
    return dict(line.split("=", 1) for line in config.get("Env") or () if "=" in line)


def container_name(lease_id: LeaseId) -> str:
    return f"farcell-{lease_id}"


def gateway_filter(gateway_id: GatewayId) -> str:
    return f"{GATEWAY_LABEL}={gateway_id}"


def labels(spec: ContainerSpec) -> dict[str, str]:
    return {GATEWAY_LABEL: spec.gateway_id, SESSION_LABEL: spec.session_id, LEASE_LABEL: spec.lease_id}


def runtime(isolation: Isolation | None, runtimes: Mapping[Isolation, str]) -> str:
    """Raises `BadRequest` for an isolation that no runtime of the engine gives."""
    asked = isolation or Isolation.CONTAINER
    if asked not in runtimes:
        known = ", ".join(one.value for one in runtimes) or "none"
        raise BadRequest(f"containers here can't have the isolation {asked.value}; they can have: {known}")
    return runtimes[asked]


def create_body(spec: ContainerSpec, settings: ContainerSettings) -> dict[str, Any]:
    """As the Engine API wants it. Raises `BadRequest` for what can't be met."""
    return {
        "Image": settings.image,
        "Hostname": layout.KERNEL_USER,
        "User": "0:0",
        "WorkingDir": "/",
        "Entrypoint": [*settings.command],
        "Cmd": [layout.LEASE],
        "Env": [f"{name}={value}" for name, value in _environment(spec, settings).items()],
        "Labels": labels(spec),
        "Healthcheck": {"Test": ["NONE"]},
        "NetworkDisabled": True,
        "HostConfig": {
            **_runtime(runtime(spec.walls.isolation, settings.runtimes)),
            "NetworkMode": "none",
            "IpcMode": "private",
            "Init": True,
            "CapDrop": ["ALL"],
            "CapAdd": [*CAPABILITIES],
            "SecurityOpt": ["no-new-privileges"],
            "Privileged": False,
            "PublishAllPorts": False,
            "RestartPolicy": {"Name": "no"},
            "LogConfig": {"Type": "json-file", "Config": LOG_SIZE},
            "Mounts": _mounts(spec, settings),
            # agent and kernel, whom alone it is for, each make sockets there; Podman's engine gives it to nobody
            "Tmpfs": {layout.RUN: "rw,nosuid,nodev,noexec,size=1m,mode=0777"},
            "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
            "DeviceRequests": _device_requests(spec, settings.gpus),
            **_limits(settings.limits),
        },
    }


def _runtime(name: str) -> dict[str, str]:
    return {"Runtime": name} if name else {}


def _environment(spec: ContainerSpec, settings: ContainerSettings) -> dict[str, str]:
    """All of it is for the kernel: the agent needs none, and an image's own comes from the image.

    What would steer the agent's loader is empty, and handed on to the kernel under another name.
    """
    whose = Labels(spec.gateway_id, spec.session_id, spec.lease_id)
    steering = {
        name: value
        for name, value in settings.image_environment.items()
        if name.startswith(STEERS_THE_LOADER)
    }
    return {
        **dict.fromkeys(steering, ""),
        **{f"{FOR_THE_KERNEL}{name}": value for name, value in steering.items()},
        **settings.environment,
        "HOME": layout.HOME,
        "USER": layout.KERNEL_USER,
        "LOGNAME": layout.KERNEL_USER,
        **cache_environment(PurePosixPath(layout.CACHE)),
        "CUDA_VISIBLE_DEVICES": ",".join(_real_devices(spec)),
        **whose.environment,
    }


def _mounts(spec: ContainerSpec, settings: ContainerSettings) -> list[dict[str, Any]]:
    """Bind mounts whose source has to be there: the engine makes no folder of its own in a missing one's place."""
    egress = [mount(spec.egress.parent, layout.EGRESS)] if spec.egress else []
    return [
        mount(settings.agent, layout.AGENT),
        mount(settings.agent / EMPTY, PRELOADS),
        mount(spec.folder, layout.LEASE, writable=True),
        mount(spec.socket.parent, layout.GATEWAY),
        mount(spec.cache, layout.CACHE, writable=True),
        *egress,
        *(mount(one.source, one.target, writable=one.writable) for one in settings.mounts),
    ]


def mount(source: Path, target: str, *, writable: bool = False) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": str(source.absolute()),
        "Target": target,
        "ReadOnly": not writable,
        "BindOptions": {"Propagation": "rprivate"},
    }


def _real_devices(spec: ContainerSpec) -> list[str]:
    return [device.uuid for device in spec.devices if not device.simulated]


def _device_requests(spec: ContainerSpec, gpus: str) -> list[dict[str, Any]]:
    uuids = _real_devices(spec)
    if not uuids:
        return []
    if gpus == "cdi":
        return [{"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={uuid}" for uuid in uuids]}]
    return [{"Driver": "nvidia", "DeviceIDs": uuids, "Capabilities": [["gpu"]]}]


def _limits(limits: Limits) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if limits.memory_bytes is not None:  # no swap on top
        found |= {"Memory": limits.memory_bytes, "MemorySwap": limits.memory_bytes}
    if limits.cpus is not None:
        found["NanoCpus"] = round(limits.cpus * 1e9)
    if limits.pids is not None:
        found["PidsLimit"] = limits.pids
    if limits.disk_bytes is not None:
        found["StorageOpt"] = {"size": str(limits.disk_bytes)}
    if limits.shm_bytes is not None:
        found["ShmSize"] = limits.shm_bytes
    return found
