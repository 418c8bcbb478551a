"""The Docker spawner: one container of the engine's per lease."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar, Self
from weakref import WeakValueDictionary

from ...api import BuildProgress, GatewayId, GpuTable, Image, LeaseId, Offer, SessionId
from ...errors import BuildFailed, FarcellError, ImageNotSupported, StartFailed, Unavailable
from ..contract import Container, ContainerSpec, ContainerState, Spawner, SpawnerSetup
from ..nvml import Nvml
from .agent_environment import AgentEnvironment, agent_environment
from .builder import ImageBuilder
from .container import (
    GATEWAY_LABEL,
    LEASE_LABEL,
    SESSION_LABEL,
    ContainerSettings,
    container_name,
    create_body,
    gateway_filter,
    image_environment,
)
from .engine import Engine, EngineRefused
from .lease import clear_lease, fill_lease, needs_note, note_engines_log
from .offers import DockerOffers
from .options import DockerOptions, DockerSettings
from .states import exit_code, folder_of, state_of

log = logging.getLogger(__name__)
_LOG_LINES = 200
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.02, 3.0


class DockerSpawner(Spawner):
    """Containers of a Docker or Podman engine on this machine, by its socket."""

    name: ClassVar[str] = "docker"

    def __init__(self, settings: DockerSettings, table: GpuTable, nvml: Nvml | None = None) -> None:
        """Raises `BadRequest` for simulated devices that can't be meant."""
        self.settings = settings
        self.networks = settings.networks
        self.engine = Engine(settings.url)
        self._offers = DockerOffers(self.engine, settings, table, nvml or Nvml())
        self._builder = ImageBuilder(self.engine, settings.builds, self._agent_environment)
        self._agent: AgentEnvironment | None = None
        self._making_agent = asyncio.Lock()
        self._locks: WeakValueDictionary[LeaseId, asyncio.Lock] = WeakValueDictionary()
        self._starting: set[LeaseId] = set()
        self._under_way: set[asyncio.Task[None]] = set()
        self._is_prepared = False
        self._has_disk_limit = settings.limits.disk_bytes is not None

    @classmethod
    def configured(cls, setup: SpawnerSetup) -> Self:
        return cls(DockerOptions(config=setup.config).settings(setup), setup.table)

    async def offers(self, table: GpuTable) -> list[Offer]:
        """Whoever asks will start something soon: what agents and kernels run in is made meanwhile, once."""
        if self._agent is None and not self._making_agent.locked():
            self._begin(self._prepare())
        return await self._offers.read(table, self.name)

    async def build(self, image: Image, tell: Callable[[BuildProgress], None]) -> None:
        try:
            await self._builder.build(image, tell)
            self._is_prepared |= not image.is_built
        except EngineRefused as refusal:
            raise BuildFailed(f"the image can't be built: the engine said: {refusal}") from refusal

    @property
    def is_prepared(self) -> bool:
        return self._is_prepared

    async def start(self, spec: ContainerSpec) -> None:
        abandoned = asyncio.Event()
        try:
            await self._see_through(self._start(spec, abandoned))
        except asyncio.CancelledError:
            abandoned.set()
            raise

    async def stop(self, lease_id: LeaseId) -> None:
        await self._see_through(self._stop(lease_id))

    async def list(self, gateway_id: GatewayId) -> list[Container]:
        """What this very process is starting is told once it runs, and not as dead before."""
        found = await self.engine.containers(gateway_filter(gateway_id))
        return [one for facts in found if (one := await self._seen(facts))]

    async def _seen(self, facts: dict[str, Any]) -> Container | None:
        """What was made and not started is looked at again: it may have been started since, or be about to."""
        container = _container(facts)
        if str(facts["State"]) == "created":
            if container.lease_id in self._starting:
                return None
            now = await self.engine.inspect(str(facts["Id"]))
            if now is None or container.lease_id in self._starting:
                return None
            container = replace(container, state=state_of(str(now["State"]["Status"])))
        if container.exit_code is not None:
            await self._note_engines_log(facts)
        return container

    async def close(self) -> None:
        """Waits for what was begun and given up: an engine that answers late must not leave a container behind."""
        await self._builder.close()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self.engine.close()
        self._offers.close()

    # --- one lease ---

    async def _start(self, spec: ContainerSpec, abandoned: asyncio.Event) -> None:
        async with self._lock(spec.lease_id):
            self._starting.add(spec.lease_id)
            try:
                await self._start_once(spec)
                if abandoned.is_set():
                    await self._end(spec.lease_id)
            except FarcellError:
                await self._undo(spec)
                raise
            except (EngineRefused, OSError) as error:
                await self._undo(spec)
                raise _told(spec, error) from error
            finally:
                self._starting.discard(spec.lease_id)

    async def _start_once(self, spec: ContainerSpec) -> None:
        name = container_name(spec.lease_id)
        if facts := await self.engine.inspect(name):
            if state_of(str(facts["State"]["Status"])) is ContainerState.RUNNING:
                return
            await self._end(spec.lease_id)
        agent = await self._agent_environment()
        image = self._builder.tag(spec.image)
        if not spec.image.is_built:
            await self._builder.build(spec.image, _nobody)
        body = create_body(spec, await self._container_settings(agent, image))
        await self._create_anew(spec, agent.launcher, body)
        await self.engine.call(lambda client: client.start(name))
        log.info("lease %s: container %s started", spec.lease_id, name)

    async def _create_anew(self, spec: ContainerSpec, launcher: str, body: dict[str, Any]) -> None:
        """What a gateway before this one has asked for in its last moment may be made only now: it goes."""
        pause_s = _FIRST_PAUSE_S
        while True:
            await asyncio.to_thread(fill_lease, spec, launcher)
            try:
                await self._create(container_name(spec.lease_id), body)
            except EngineRefused as refusal:
                if refusal.status != 409 or pause_s > _LAST_PAUSE_S:
                    raise
                await asyncio.sleep(pause_s)
                pause_s *= 2
                await self._end(spec.lease_id)
            else:
                return

    async def _create(self, name: str, body: dict[str, Any]) -> None:
        if not self._has_disk_limit:
            body["HostConfig"].pop("StorageOpt", None)
        try:
            await self.engine.call(lambda client: client.create_container_from_config(body, name))
        except EngineRefused as refusal:
            if "storage-opt" not in str(refusal) or "StorageOpt" not in body["HostConfig"]:
                raise
            log.warning("the engine's storage holds no limit of a container's disk: %s", refusal)
            self._has_disk_limit = False
            await self._create(name, body)

    async def _stop(self, lease_id: LeaseId) -> None:
        async with self._lock(lease_id):
            await self._end(lease_id)

    async def _end(self, lease_id: LeaseId) -> None:
        """Removes until nothing is left: somebody else may be removing it, or its storage may still be in use."""
        name = container_name(lease_id)
        pause_s = _FIRST_PAUSE_S
        while facts := await self.engine.inspect(name):
            try:
                await self.engine.call(lambda client: client.remove_container(name, v=True, force=True))
                log.info("lease %s: stopped, nothing of it runs", lease_id)
            except EngineRefused as refusal:
                if pause_s > _LAST_PAUSE_S:
                    raise Unavailable(f"the engine does not remove {name}: {refusal}") from refusal
                await asyncio.sleep(pause_s)
                pause_s *= 2
            if folder := folder_of(facts.get("Mounts") or ()):
                await asyncio.to_thread(clear_lease, folder)

    async def _undo(self, spec: ContainerSpec) -> None:
        """Also where the engine has made nothing; one that does not answer is asked again by `stop`."""
        with suppress(FarcellError, EngineRefused):
            await self._end(spec.lease_id)
        with suppress(OSError):
            await asyncio.to_thread(clear_lease, spec.folder)

    # --- what the engine says ---

    async def _note_engines_log(self, facts: dict[str, Any]) -> None:
        folder = folder_of(facts.get("Mounts") or ())
        if folder is not None and needs_note(folder):
            with suppress(EngineRefused):  # it is being removed
                said = await self.engine.log_tail(str(facts["Id"]), _LOG_LINES)
                await asyncio.to_thread(note_engines_log, folder, said)

    async def _agent_environment(self) -> AgentEnvironment:
        async with self._making_agent:
            if self._agent is None:
                self._agent = await asyncio.to_thread(agent_environment, self.settings.agents)
            return self._agent

    async def _container_settings(self, agent: AgentEnvironment, image: str) -> ContainerSettings:
        return ContainerSettings(
            agent=agent.folder,
            command=self.settings.agent_command or agent.command,
            image=image,
            runtimes=self.settings.runtimes,
            limits=self.settings.limits,
            mounts=self.settings.mounts,
            gpus=await self._offers.gpus(),
            image_environment=image_environment(await self.engine.image(image)),
        )

    def _lock(self, lease_id: LeaseId) -> asyncio.Lock:
        return self._locks.setdefault(lease_id, asyncio.Lock())

    async def _prepare(self) -> None:
        await self._agent_environment()
        await self.build(Image(), _nobody)

    async def _see_through(self, work: Coroutine[Any, Any, None]) -> None:
        """Goes on with `work` when the caller is cancelled: a call that the engine has heard can't be taken back."""
        await asyncio.shield(self._begin(work))

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.info("what was begun failed: %s", error)


def _container(facts: dict[str, Any]) -> Container:
    labels = facts.get("Labels") or {}
    return Container(
        gateway_id=GatewayId(labels.get(GATEWAY_LABEL, "")),
        session_id=SessionId(labels.get(SESSION_LABEL, "")),
        lease_id=LeaseId(labels.get(LEASE_LABEL, "")),
        state=state_of(str(facts["State"])),
        exit_code=exit_code(str(facts.get("Status", ""))),
    )


def _told(spec: ContainerSpec, error: EngineRefused | OSError) -> FarcellError:
    """What failed, in the contract's words."""
    if isinstance(error, EngineRefused) and error.status == 404 and "image" in str(error).lower():
        return ImageNotSupported(f"the engine has no such image: {error}")
    said = "the engine said: " if isinstance(error, EngineRefused) else ""
    return StartFailed(f"lease {spec.lease_id} can't start: {said}{error}")


def _nobody(_: BuildProgress) -> None:
    """Hears how the default image is made, where it is for the first time."""
