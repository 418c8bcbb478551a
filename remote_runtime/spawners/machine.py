"""The containers of this machine, as plain calls that block: what the process spawner does, without when."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..api import Device, GatewayId, GpuTable, Image, LeaseId, Offer
from ..errors import BadRequest, ImageNotSupported, StartFailed
from .cgroups import CgroupContainment
from .containment import Containment, Labels, Limits, Members, is_agent, labels_of
from .contract import Container, ContainerSpec, ContainerState
from .environment import container_environment
from .launch import Children, Launch
from .lease_environment import LAUNCHER, environment_variables, image_of, make_environment
from .lease_folder import LeaseFolder, Register
from .markers import MarkerContainment
from .nvml import Nvml, NvmlDevice, visible_devices
from .offers import cpu_offer, device_offers, gpu_name
from .process_images import Environment, ProcessImages
from .simulated import simulated_devices

log = logging.getLogger(__name__)

# -P: the working folder is the user's, and what lies there must not stand in for the agent's own modules
AGENT_COMMAND = (sys.executable, "-P", "-m", "farcell.remote_runtime.agent")


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """`root` is the spawner's own folder, one small link per container; it has to be the same after a restart.

    Beside it lie the environments of images.

    `environment` is the gateway's: containers get what `environment.ALLOWED` names of it, and devices that its
    ``CUDA_VISIBLE_DEVICES`` hides are not offered. `simulate` is as in ``--simulate``. `containment` is ``cgroup``,
    ``marker``, or ``auto``: both, as far as they are there. `agent_command` is called with the lease's folder.
    """

    root: Path
    environment: Mapping[str, str]
    simulate: str = ""
    containment: str = "auto"
    limits: Limits = field(default_factory=Limits)
    agent_command: Sequence[str] = AGENT_COMMAND


class Machine:
    """Every method may be called in any thread, but those that take a container one at a time for each lease."""

    def __init__(self, settings: ProcessSettings, table: GpuTable, nvml: Nvml) -> None:
        self._settings = settings
        self._simulated = simulated_devices(settings.simulate, table)
        self._containments = choose_containments(settings)
        self._register = Register(settings.root)
        self.images = ProcessImages(
            settings.root.parent / "environments",
            settings.environment,
            self._images_in_use,
        )
        self._children = Children()
        self._nvml = nvml

    def offers(self, table: GpuTable, spawner: str) -> Sequence[Offer]:
        self._children.reap()
        seen = visible_devices(self._nvml.devices(), self._settings.environment.get("CUDA_VISIBLE_DEVICES"))
        real = [self._device(device, table) for device in seen]
        offers = device_offers([*real, *self._simulated], table, spawner)
        return [*offers, cpu_offer(len(os.sched_getaffinity(0)), table, spawner)]

    def state(self, labels: Labels) -> ContainerState | None:
        """None for a container that was never started, or is stopped; quick then."""
        return _state(self._members().get(labels, set())) if self._register.holds(labels) else None

    def start(self, spec: ContainerSpec, labels: Labels) -> None:
        """Raises `StartFailed` or `ImageNotSupported`; the caller then clears up with `kill` and `forget`."""
        built = self._built(spec.image)
        python = kernel_python(spec.image)
        folder = LeaseFolder(spec.folder.absolute(), spec.lease_id)
        try:
            self._register.add(labels, folder.path)
            if built is None:
                folder.fill(spec, python)
            else:
                folder.fill(spec, str(make_environment(folder.environment, built)), LAUNCHER)
            spec.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            pid = self._children.launch(spec.lease_id, self._launch(spec, labels, folder, built))
        except OSError as error:
            raise StartFailed(f"lease {spec.lease_id} can't start on this machine: {error}") from error
        log.info("lease %s: agent %d started in %s", spec.lease_id, pid, folder.path)

    def kill(self, lease_id: LeaseId) -> bool:
        """One round; True when something may be left."""
        self._children.reap()
        left = [containment.kill(lease_id) for containment in self._containments]
        return any(left)

    def forget(self, lease_id: LeaseId) -> None:
        """Removes what must not outlive a container that is gone, an agent's exit code that nobody has taken too."""
        self._children.reap()
        self._children.forget(lease_id)
        if folder := self._register.folder(lease_id):
            folder.clear()
            self._register.remove(lease_id)
            log.info("lease %s: stopped, nothing of it runs", lease_id)

    def close(self) -> None:
        self._children.reap()
        self._nvml.close()

    def containers(self, gateway_id: GatewayId) -> Sequence[Container]:
        self._children.reap()
        registered = self._register.labels()  # before the processes: what starts in between is not overlooked
        members = self._members()
        return [
            self._container(labels, members.get(labels, set()))
            for labels in registered | members.keys()
            if labels.gateway_id == gateway_id
        ]

    def _container(self, labels: Labels, pids: set[int]) -> Container:
        exit_code = self._children.exit_code(labels.lease_id)
        return Container(labels.gateway_id, labels.session_id, labels.lease_id, _state(pids), exit_code)

    def _members(self) -> Members:
        found: Members = {}
        for containment in self._containments:
            for labels, pids in containment.members().items():
                found.setdefault(labels, set()).update(pids)
        return found

    def _built(self, image: Image) -> Environment | None:
        if not image.is_built:
            return None
        if (found := self.images.find(image)) is None:
            raise ImageNotSupported(
                "the image was removed since it was built, to make room: run the cell again"
            )
        return found

    def _images_in_use(self) -> set[Path]:
        folders = (self._register.folder(labels.lease_id) for labels in self._register.labels())
        images = (image_of(folder.environment) for folder in folders if folder)
        return {image for image in images if image}

    def _launch(
        self, spec: ContainerSpec, labels: Labels, folder: LeaseFolder, built: Environment | None
    ) -> Launch:
        enclosures = [containment.enclose(labels) for containment in self._containments]
        environment = container_environment(self._settings.environment, spec, labels, folder.home)
        if built is not None:
            environment |= environment_variables(folder.environment, built, environment["PATH"])
            environment |= labels.environment
        return Launch(
            command=[*self._settings.agent_command, str(folder.path)],
            environment=environment,
            folder=folder.work,
            log=folder.log,
            cgroup=next(filter(None, enclosures), None),
        )

    def _device(self, found: NvmlDevice, table: GpuTable) -> Device:
        """Whoever computes there in no container of this gateway makes it foreign, another gateway's too."""
        ours = self._register.labels()
        foreign = any(labels_of(pid) not in ours for pid in self._nvml.compute_pids(found.uuid))
        return Device(found.uuid, gpu_name(found.product, table), found.memory_bytes, foreign=foreign)


def _state(pids: set[int]) -> ContainerState:
    return ContainerState.RUNNING if any(map(is_agent, pids)) else ContainerState.DEAD


def choose_containments(settings: ProcessSettings) -> Sequence[Containment]:
    """What `settings` ask for; raises `BadRequest` for a cgroup that is asked for by name but can't be had."""
    wanted = settings.containment
    if wanted not in ("auto", "cgroup", "marker"):
        raise BadRequest(f"containment is 'auto', 'cgroup' or 'marker', not {wanted!r}")
    cgroup = CgroupContainment.here(settings.limits) if wanted != "marker" else None
    if wanted == "cgroup" and cgroup is None:
        raise BadRequest(
            "containment 'cgroup' needs a writable cgroup (version 2) and Linux 5.14: use 'auto'"
        )
    chosen = [one for one in (cgroup, MarkerContainment() if wanted != "cgroup" else None) if one]
    unheld = cgroup.unheld_limits if cgroup else [*settings.limits.files()]
    log.info("containers are held by %s; limits not held: %s", [one.name for one in chosen], unheld)
    return chosen


def kernel_python(image: Image) -> str:
    """The interpreter that the image names, or this one's."""
    python = Path(image.python or sys.executable)
    if not python.is_absolute() or not python.is_file() or not os.access(python, os.X_OK):
        raise ImageNotSupported(
            f"{python} is no program on {os.uname().nodename}, where the kernel would run with it"
        )
    return str(python)
