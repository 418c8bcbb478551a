"""The spawner contract: four verbs over one kind of place.

A spawner keeps no state: what it says is read from the place itself each time, so that a gateway which was
killed at any moment finds its containers again. It opens no port: the agent inside dials the gateway. The
gateway calls every verb on its event loop and expects it not to block; what blocks inside runs in an executor
of the spawner's own. All verbs may be called at the same time and in any order; those that take one lease are
carried out one after the other. The same suite of tests runs against every spawner
(``tests/contract/test_spawners.py``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Self

from traitlets.config import Config

from ..api import (
    BuildProgress,
    Device,
    GatewayId,
    GpuTable,
    Image,
    Isolation,
    LeaseId,
    Network,
    Offer,
    SessionId,
    Walls,
)
from ..errors import ImageNotSupported


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What the gateway wants started.

    `folder` is the lease's folder on the gateway's machine (mode 0700, it exists): the spawner puts the
    container's home, working folder and log there, and hands the agent `socket`, the unix socket on which the
    gateway listens, and `token` in a file that only the agent can read. `cache` is a folder that the owner's
    containers share for what can be made again (fonts, compiled kernels, downloads). `egress` is the unix socket of
    the gateway's proxy for this lease, None where nothing but the gateway may be reached.
    """

    gateway_id: GatewayId
    session_id: SessionId
    lease_id: LeaseId
    owner: str
    offer: str
    devices: tuple[Device, ...]
    folder: Path
    cache: Path
    socket: Path
    token: str = field(repr=False)
    image: Image = field(default_factory=Image)
    walls: Walls = field(default_factory=Walls)
    egress: Path | None = None


class ContainerState(Enum):
    """`DEAD`: its agent is gone, but `stop` has yet to clear up, be it only a token; the gateway calls it then."""

    RUNNING = "running"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Container:
    """One container that is there, as its labels tell. `exit_code` is the agent's, where known."""

    gateway_id: GatewayId
    session_id: SessionId
    lease_id: LeaseId
    state: ContainerState
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class SpawnerSetup:
    """What a gateway gives every spawner that it opens.

    `folder` and `environment` are the gateway's own; the former is the same after a restart. `simulate` is as in
    ``--simulate``. `config` is what the operator wrote: a spawner reads the section that has its class's name.
    """

    folder: Path
    environment: Mapping[str, str]
    simulate: str
    table: GpuTable
    config: Config

    @property
    def image_files(self) -> Path:
        """Where the archives of images' `COPY` steps lie, each named by its SHA-256."""
        return self.folder / "image-files"

    @property
    def build_egress(self) -> Path:
        """The unix socket of the gateway's proxy for builds, alone in its folder; none where they reach nothing."""
        return self.folder / "builds" / "egress" / "proxy.sock"


class Spawner(ABC):
    """One kind of place. Subclasses are registered in the entry-point group ``farcell.spawners``."""

    name: ClassVar[str]
    networks: Mapping[Isolation, Network] = MappingProxyType({})
    """What containers reach unasked, by isolation. Without walls they reach what the machine does, whoever asks."""

    @classmethod
    def configured(cls, setup: SpawnerSetup) -> Self:
        """Opens one as its operator wants it; raises `BadRequest` for what can't be met."""
        raise NotImplementedError(f"{cls.__name__} can't be opened from a configuration")

    @abstractmethod
    async def offers(self, table: GpuTable) -> list[Offer]:
        """What this place has, with prices from `table`; called every few seconds and before each placement.

        `count_free` leaves out only what others than this gateway's containers use; the scheduler knows its leases.
        A place without what it needs (no driver, say) offers less; it does not raise.
        """

    @property
    def is_prepared(self) -> bool:
        """Whether a start without an image to build waits for nothing; else ``build(Image())`` comes before it."""
        return True

    async def build(self, image: Image, tell: Callable[[BuildProgress], None]) -> None:  # noqa: ARG002
        """Makes `image` ready, so that `start` finds it; returns at once where it is.

        Called before each start, without a lease: nothing is held meanwhile. Two calls for one image build it once.
        `tell` is called on the event loop, with the beginning of each step and with every line of its output.
        Raises `BuildFailed` with the step and its last lines, or `ImageNotSupported`. When cancelled, nothing goes on.
        """
        if image.is_built:
            raise ImageNotSupported(f"the spawner {self.name} has no images to build from a definition")

    @abstractmethod
    async def start(self, spec: ContainerSpec) -> None:
        """Starts a container and returns when the place has accepted it, not when its agent has dialled home.

        Idempotent by lease id: starting what runs does nothing. Raises `StartFailed` with what the place
        said, or `ImageNotSupported`; then nothing of the container is left. When cancelled, it may have
        started: the caller stops it.
        """

    @abstractmethod
    async def stop(self, lease_id: LeaseId) -> None:
        """Ends a container with everything that ever came out of it; returns when nothing of it runs.

        Silent when it is gone or was never there; may be called twice, and at the same time. It does not ask
        the agent (the gateway has done so): it kills. The lease's folder stays, without token and sockets.
        """

    @abstractmethod
    async def list(self, gateway_id: GatewayId) -> list[Container]:
        """Everything of that gateway's that is there: the truth, read from the place, in no order.

        A container is in it, as `RUNNING`, from the moment `start` returns, and is out of it once `stop` has. One that
        is just starting may be missing, but is never told as `DEAD`.
        """

    async def close(self) -> None:
        """Lets go of executors and connections; containers run on. May be called twice."""
        return
