"""What a build reaches: nothing, what sessions reach through the gateway's proxy, or a network of the engine's."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ... import agent
from ...agent.forwarder import LISTENS
from ...errors import BuildFailed
from . import layout
from .agent_environment import AgentEnvironment
from .container import mount
from .engine import Engine, EngineRefused

BUILD_LABEL = "farcell.build"
PROXY = "http://127.0.0.1:3128"
PROXY_ARGUMENTS = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), PROXY)
"""The engine knows these arguments, and keeps them out of images."""
EGRESS = "egress"
FORWARDER = f"{agent.__name__}.forwarder"
LISTENS_WITHIN_S = 60.0
FORWARDERS_PIDS, FORWARDERS_BYTES = 64, 256 << 20
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reach:
    """`mode` as the engine's builder takes it; `arguments` are build arguments."""

    mode: str
    arguments: Mapping[str, str] = field(default_factory=dict)


class BuildNetwork:
    """`name`: ``none``, ``egress`` (the proxy at `socket`; none where it is not), or what the engine calls a network.

    `owner` marks this gateway's containers for builds.
    """

    def __init__(self, engine: Engine, name: str, socket: Path, owner: str) -> None:
        self._engine = engine
        self._name = name
        self._socket = socket
        self._owner = owner
        self._clearing = asyncio.Lock()
        self._is_clear = False

    @property
    def is_forwarded(self) -> bool:
        """Whether builds reach the proxy, by the forwarder that the agent's environment has."""
        return self._name == EGRESS and self._socket.exists()

    @asynccontextmanager
    async def reach(self, image_id: str, environment: AgentEnvironment | None) -> AsyncIterator[Reach]:
        """While it is entered, a build has it. `image_id` is any image that is there.

        `environment` has the forwarder; None where the builds are not `is_forwarded`.
        """
        if environment is None:
            yield Reach("none" if self._name == EGRESS else self._name)
        else:
            await self._clear_once()
            name = f"farcell-build-{secrets.token_hex(8)}"
            try:
                await self._start(name, _forwarder_body(image_id, environment, self._socket, self._owner))
                yield Reach(f"container:{name}", PROXY_ARGUMENTS)
            finally:
                await self._remove(name)

    async def _clear_once(self) -> None:
        """Removes what builds of a gateway that was killed have left, before there is one of this gateway's."""
        async with self._clearing:
            if not self._is_clear:
                for found in await self._engine.containers(f"{BUILD_LABEL}={self._owner}"):
                    await self._remove(str(found["Id"]))
                self._is_clear = True

    async def _start(self, name: str, body: dict[str, Any]) -> None:
        await self._engine.call(lambda client: client.create_container_from_config(body, name))
        await self._engine.call(lambda client: client.start(name))
        try:
            async with asyncio.timeout(LISTENS_WITHIN_S):
                while LISTENS not in await self._said(name):
                    facts = await self._engine.inspect(name)
                    if facts is None or not facts["State"]["Running"]:
                        last = facts and (await self._said(name)).strip()
                        raise BuildFailed(
                            f"builds have no way to the gateway's proxy: {last or 'it is gone'}"
                        )
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise BuildFailed("builds have no way to the gateway's proxy: it does not open") from error

    async def _said(self, name: str) -> str:
        return (await self._engine.log_tail(name, 20)).decode(errors="replace")

    async def _remove(self, name: str) -> None:
        try:
            await self._engine.call(lambda client: client.remove_container(name, v=True, force=True))
        except EngineRefused as refusal:
            if refusal.status != 404:
                log.warning("the container %s of a build is left: %s", name, refusal)


def _forwarder_body(image_id: str, environment: AgentEnvironment, socket: Path, owner: str) -> dict[str, Any]:
    """A container that does nothing but listen on its own loopback, where a build's steps are let in."""
    *python, _ = environment.command
    return {
        "Image": image_id,
        "User": f"{os.getuid()}:{os.getgid()}",
        "WorkingDir": "/",
        "Entrypoint": [*python, FORWARDER],
        "Cmd": [f"{layout.EGRESS}/{socket.name}"],
        "Labels": {BUILD_LABEL: owner},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "NetworkMode": "none",
            "Init": True,
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "PidsLimit": FORWARDERS_PIDS,
            "Memory": FORWARDERS_BYTES,
            "Mounts": [mount(environment.folder, layout.AGENT), mount(socket.parent, layout.EGRESS)],
        },
    }
