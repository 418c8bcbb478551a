"""What an operator can set of the Docker spawner in ``farcell_config.py``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from traitlets import Bool, Dict, Enum, Float, Int, List, Tuple, Unicode

from ...api import Isolation, Network
from ...errors import BadRequest
from ..contract import SpawnerSetup
from .build_settings import BuildSettings
from .container import ExtraMount, Limits
from .engine import find_url
from .image_options import ImageOptions

_OURS = ("/farcell", "/cache", "/home/farcell", "/opt/farcell-env", "/proc", "/sys", "/dev")
_ENGINES_OWN = ("docker.sock", "podman.sock", "containerd.sock", "crio.sock")


@dataclass(frozen=True, slots=True)
class DockerSettings:
    """`folder` is the gateway's; `agents` is where the agent's environments are kept.

    `networks` is what containers reach unasked, by isolation. `agent_command`, which gets the lease's folder as its
    argument, runs in the agent's place where it is given.
    """

    folder: Path
    agents: Path
    url: str
    builds: BuildSettings
    runtimes: dict[Isolation, str]
    networks: dict[Isolation, Network]
    limits: Limits
    mounts: tuple[ExtraMount, ...]
    gpus: str
    simulate: str
    visible_devices: str | None
    agent_command: tuple[str, ...] = ()


class DockerOptions(ImageOptions):
    """What stands under ``c.DockerSpawner``."""

    url = Unicode("", help="where the engine listens; empty: DOCKER_HOST, or the first usual socket").tag(
        config=True
    )
    runtimes = Dict(
        key_trait=Enum(["container", "sandbox"]),
        value_trait=Unicode(),
        default_value={"container": "", "sandbox": "runsc"},
        help="the engine's runtime for each isolation, empty: its default one; what it lacks is not offered",
    ).tag(config=True)
    networks = Dict(
        key_trait=Enum(["container", "sandbox"]),
        value_trait=Unicode(),
        default_value={"container": "egress", "sandbox": "none"},
        help="what containers reach unasked, for each isolation: none, egress, or host names",
    ).tag(config=True)
    max_memory_bytes = Int(None, allow_none=True, help="memory of one container; None is no limit").tag(
        config=True
    )
    max_cpus = Float(None, allow_none=True, help="cores of one container; None is no limit").tag(config=True)
    max_processes = Int(4096, allow_none=True, help="processes and threads of one container").tag(config=True)
    max_disk_bytes = Int(
        20 << 30, allow_none=True, help="what a container may write beside its image; None is no limit"
    ).tag(config=True)
    shm_bytes = Int(
        8 << 30, help="shared memory, which the data loaders of torch fill; counted as memory"
    ).tag(config=True)
    mounts = List(
        Tuple(Unicode(), Unicode(), Bool()),
        help="folders of the machine for every container: [('/srv/data', '/data', False)]; True is writable",
    ).tag(config=True)
    gpus = Enum(["auto", "cdi", "nvidia"], "auto", help="how devices are asked for").tag(config=True)
    devices = List(Unicode(), help="the UUIDs of those that are offered; empty is all").tag(config=True)
    agents = Unicode("", help="where the agent's environments are kept; empty: in the gateway's folder").tag(
        config=True
    )

    @classmethod
    def section_names(cls) -> list[str]:
        """An operator configures the spawner, and need not know this class."""
        return ["DockerSpawner"]

    def settings(self, setup: SpawnerSetup) -> DockerSettings:
        """Raises `BadRequest` for what can't be meant."""
        visible = setup.environment.get("CUDA_VISIBLE_DEVICES")
        return DockerSettings(
            folder=setup.folder,
            agents=Path(self.agents) if self.agents else setup.folder / "agent-environments",
            url=find_url(self.url, setup.environment),
            builds=self.build_settings(setup),
            runtimes={Isolation(name): runtime for name, runtime in self.runtimes.items()},
            networks={Isolation(name): Network.parse(text) for name, text in self.networks.items()},
            limits=Limits(
                memory_bytes=self.max_memory_bytes,
                cpus=self.max_cpus,
                pids=self.max_processes,
                disk_bytes=self.max_disk_bytes,
                shm_bytes=self.shm_bytes,
            ),
            mounts=check_mounts(ExtraMount(Path(source), target, rw) for source, target, rw in self.mounts),
            gpus=self.gpus,
            simulate=setup.simulate,
            visible_devices=",".join(self.devices) or visible,
        )


def check_mounts(mounts: Iterable[ExtraMount]) -> tuple[ExtraMount, ...]:
    """Raises `BadRequest` for a mount that would stand in the way of a container's own, or open the machine."""
    found = tuple(mounts)
    for one in found:
        target = PurePosixPath(one.target)
        if not one.source.is_absolute() or not target.is_absolute() or ".." in target.parts:
            raise BadRequest(f"a mount needs two absolute paths, not {one.source} and {one.target}")
        if target == PurePosixPath("/") or any(target.is_relative_to(ours) for ours in _OURS):
            raise BadRequest(f"{one.target} is no place to mount {one.source}: it is a container's own")
        if one.source.resolve().name in _ENGINES_OWN:
            raise BadRequest(f"{one.source} would give containers the whole machine")
    return found
