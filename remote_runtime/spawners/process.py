"""The process spawner: containers that are plain processes of this machine and this user."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from ..api import Device, GatewayId, GpuTable, LeaseId, Offer, default_table
from ..errors import BadRequest, FarcellError, ImageNotSupported, StartFailed
from .cgroups import CgroupContainment
from .containment import Containment, Labels, Limits, Members, is_agent, labels_of
from .contract import Container, ContainerSpec, ContainerState, Spawner
from .environment import container_environment
from .launch import Children, Launch
from .lease_folder import LeaseFolder, Register
from .markers import MarkerContainment
from .nvml import Nvml, NvmlDevice
from .offers import cpu_offer, device_offers, gpu_name
from .simulated import simulated_devices

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger(__name__)

# -P: the working folder is the user's, and must not stand in for the agent's own modules
AGENT_COMMAND = (sys.executable, "-P", "-m", "farcell.remote_runtime.agent")


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """`root` is the spawner's own folder: one small link per container; it has to be the same after a restart.

    `environment` is the gateway's; containers get what `environment.ALLOWED` lists of it. `containment` is ``cgroup``,
    ``marker`` or ``auto``: both, as far as they are there. `agent_command` is called with the lease's folder.
    """

    root: Path
    environment: Mapping[str, str]
    simulate: str = ""
    containment: str = "auto"
    limits: Limits = field(default_factory=Limits)
    agent_command: Sequence[str] = AGENT_COMMAND


class ProcessSpawner(Spawner):
    """Containers without walls (`Isolation.NONE`): for one's own machine, or among people who trust each other.

    A container sees the devices of its lease by ``CUDA_VISIBLE_DEVICES`` alone, and all files of the gateway's user.
    What its processes may outlive is said at `CgroupContainment` (nothing) and `MarkerContainment`.
    """

    name: ClassVar[str] = "process"

    def __init__(
        self, settings: ProcessSettings, table: GpuTable | None = None, nvml: Nvml | None = None
    ) -> None:
        """Raises `BadRequest` or `UnknownGpu` for a `simulate` that can't be read; `table` is for its names."""
        self._settings = settings
        self._simulated = simulated_devices(settings.simulate, table or default_table())
        self._containments = choose_containments(settings)
        self._register = Register(settings.root)
        self._children = Children()
        self._nvml = nvml or Nvml()
        self._locks: WeakValueDictionary[LeaseId, asyncio.Lock] = WeakValueDictionary()
        self._executor = ThreadPoolExecutor(4, thread_name_prefix="farcell-process")

    async def offers(self, table: GpuTable) -> list[Offer]:
        return [*await self._in_thread(self._offers, table)]

    async def start(self, spec: ContainerSpec) -> None:
        labels = Labels(spec.gateway_id, spec.session_id, spec.lease_id)
        async with self._lock(spec.lease_id):
            if labels in self._register.labels():
                if await self._in_thread(self._runs, labels):
                    return
                await self._end(spec.lease_id)
            try:
                await self._in_thread(self._start, spec, labels)
            except FarcellError:
                await self._end(spec.lease_id)
                raise

    async def stop(self, lease_id: LeaseId) -> None:
        async with self._lock(lease_id):
            await self._end(lease_id)

    async def list(self, gateway_id: GatewayId) -> list[Container]:
        found = await self._in_thread(self._list, gateway_id)
        return [one for seen in found if (one := await self._look_again(seen))]

    async def close(self) -> None:
        self._executor.shutdown()
        self._nvml.close()

    async def _look_again(self, seen: Container) -> Container | None:
        """What seems dead may just be starting or stopping: ask again once that is over."""
        if seen.state is ContainerState.RUNNING:
            return seen
        async with self._lock(seen.lease_id):
            found = await self._in_thread(self._list, seen.gateway_id)
        return next((one for one in found if one.lease_id == seen.lease_id), None)

    def _lock(self, lease_id: LeaseId) -> asyncio.Lock:
        return self._locks.setdefault(lease_id, asyncio.Lock())

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs what blocks to its end, also when the caller is cancelled meanwhile: nothing is left half done."""
        job = self._executor.submit(function, *args, **kwargs)
        done = asyncio.wrap_future(job)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            while not done.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([done])
            if error := done.exception():
                log.info("a cancelled %s failed: %s", function.__name__, error)
            raise

    def _offers(self, table: GpuTable) -> Sequence[Offer]:
        self._children.reap()
        real = [self._device(found, table) for found in self._nvml.devices()]
        offers = device_offers([*real, *self._simulated], table, self.name)
        return [*offers, cpu_offer(len(os.sched_getaffinity(0)), table, self.name)]

    def _device(self, found: NvmlDevice, table: GpuTable) -> Device:
        ours = self._register.labels()
        foreign = any(labels_of(pid) not in ours for pid in self._nvml.compute_pids(found.uuid))
        return Device(found.uuid, gpu_name(found.product, table), found.memory_bytes, foreign=foreign)

    def _start(self, spec: ContainerSpec, labels: Labels) -> None:
        python = kernel_python(spec)
        folder = LeaseFolder(spec.folder.absolute(), spec.lease_id)
        try:
            self._register.add(labels, folder.path)
            folder.fill(spec, python)
            spec.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            pid = self._children.launch(self._launch(spec, labels, folder))
        except OSError as error:
            raise StartFailed(f"lease {spec.lease_id} can't start on this machine: {error}") from error
        log.info("lease %s: agent %d started in %s", spec.lease_id, pid, folder.path)

    def _launch(self, spec: ContainerSpec, labels: Labels, folder: LeaseFolder) -> Launch:
        enclosures = [one.enclose(labels) for one in self._containments]
        return Launch(
            command=[*self._settings.agent_command, str(folder.path)],
            environment=container_environment(self._settings.environment, spec, labels, folder.home),
            folder=folder.work,
            log=folder.log,
            cgroup=next(filter(None, enclosures), None),
        )

    async def _end(self, lease_id: LeaseId) -> None:
        pause_s = 0.001
        while await self._in_thread(self._kill, lease_id):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.5)
        await self._in_thread(self._forget, lease_id)

    def _kill(self, lease_id: LeaseId) -> bool:
        self._children.reap()
        left = [one.kill(lease_id) for one in self._containments]
        return any(left)

    def _forget(self, lease_id: LeaseId) -> None:
        if folder := self._register.folder(lease_id):
            folder.clear()
            self._register.remove(lease_id)
            log.info("lease %s: stopped, nothing of it runs", lease_id)

    def _list(self, gateway_id: GatewayId) -> Sequence[Container]:
        self._children.reap()
        registered = (
            self._register.labels()
        )  # before the processes: one that starts in between is then not overlooked
        members = self._members()
        return [
            self._container(labels, members.get(labels, set()))
            for labels in registered | members.keys()
            if labels.gateway_id == gateway_id
        ]

    def _container(self, labels: Labels, pids: set[int]) -> Container:
        state = ContainerState.RUNNING if any(map(is_agent, pids)) else ContainerState.DEAD
        return Container(labels.gateway_id, labels.session_id, labels.lease_id, state)

    def _runs(self, labels: Labels) -> bool:
        return any(map(is_agent, self._members().get(labels, ())))

    def _members(self) -> Members:
        found: Members = {}
        for containment in self._containments:
            for labels, pids in containment.members().items():
                found.setdefault(labels, set()).update(pids)
        return found


def choose_containments(settings: ProcessSettings) -> Sequence[Containment]:
    """What `settings` ask for; raises `BadRequest` for a cgroup that is asked for by name but can't be had."""
    cgroup = CgroupContainment.here(settings.limits) if settings.containment in ("auto", "cgroup") else None
    if settings.containment == "cgroup" and cgroup is None:
        raise BadRequest(
            "containment 'cgroup' needs a writable cgroup (version 2) and Linux 5.14; use 'auto'"
        )
    if settings.containment not in ("auto", "cgroup", "marker"):
        raise BadRequest(f"containment is 'auto', 'cgroup' or 'marker', not {settings.containment!r}")
    marker = None if settings.containment == "cgroup" else MarkerContainment()
    unenforced = cgroup.unenforced if cgroup else ["pids.max", "memory.max"]
    log.info(
        "containers are held by %s; not limited: %s",
        "cgroup" if cgroup else "marker",
        unenforced or "nothing",
    )
    return [one for one in (cgroup, marker) if one]


def kernel_python(spec: ContainerSpec) -> str:
    """The interpreter that the image names, or this one's."""
    python = Path(spec.image.python or sys.executable)
    if not python.is_absolute() or not python.is_file() or not os.access(python, os.X_OK):
        raise ImageNotSupported(
            f"{python} is no Python interpreter on the machine {os.uname().nodename}: name one that is there",
            python=str(python),
        )
    return str(python)
