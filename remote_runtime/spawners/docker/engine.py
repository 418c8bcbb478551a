"""The Engine API of Docker, or of Podman, which speaks it too: the adapter over the package ``docker``.

The package blocks, so its calls run in threads of the engine's own. What the engine answers comes as it is, decoded
from JSON; what it refuses becomes `EngineRefused`, and where it does not answer `Unavailable`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import Unavailable

if TYPE_CHECKING:
    from docker import APIClient

T = TypeVar("T")
ANSWERS_S = 60.0
"""How long the engine may take for one call; a pull or a build has calls of its own."""
_THREADS = 8


class EngineRefused(Exception):
    """The engine's answer to what can't be done, in its own words; `status` is HTTP's. The spawner says it in ours."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def find_url(option: str, environment: Mapping[str, str]) -> str:
    """Where the engine listens: what its operator wrote, ``DOCKER_HOST``, or the first usual socket that is there."""
    if named := option or environment.get("DOCKER_HOST", ""):
        return named
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    usual = ("/var/run/docker.sock", f"{runtime}/docker.sock", f"{runtime}/podman/podman.sock")
    found = (path for path in (*usual, "/run/podman/podman.sock") if Path(path).exists())
    return f"unix://{next(found, usual[0])}"


class Engine:
    """One engine at `url`, asked for the first time when it is needed. All methods may be called at the same time."""

    def __init__(self, url: str, *, answers_s: float = ANSWERS_S) -> None:
        self.url = url
        self._answers_s = answers_s
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="farcell-docker")
        self._client: APIClient | None = None
        self._lock = Lock()

    async def call(self, question: Callable[[APIClient], T]) -> T:
        """Runs `question` in a thread; when the caller is cancelled it goes on there, and its answer is dropped."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self.ask, question)

    def ask(self, question: Callable[[APIClient], T]) -> T:
        """The same in this thread. Raises `EngineRefused`, or `Unavailable` where nobody answers."""
        from docker.errors import APIError, DockerException
        from requests.exceptions import RequestException

        try:
            return question(self._opened())
        except APIError as error:
            said = error.explanation or str(error)
            raise EngineRefused(str(said).strip(), error.status_code or 500) from error
        except (DockerException, RequestException, OSError) as error:
            raise Unavailable(
                f"the container engine at {self.url} does not answer ({_cause(error)}): "
                "is it running, and may this user write to its socket?"
            ) from error

    async def info(self) -> dict[str, Any]:
        return await self.call(lambda client: client.info())

    async def inspect_image(self, reference: str) -> dict[str, Any] | None:
        """What the engine knows of one image; None when there is none of that name."""
        try:
            return await self.call(lambda client: client.inspect_image(reference))
        except EngineRefused as refusal:
            if refusal.status == 404:
                return None
            raise

    async def has_image(self, reference: str) -> bool:
        return await self.inspect_image(reference) is not None

    async def image(self, reference: str) -> dict[str, Any]:
        """What the engine knows of an image; raises `EngineRefused` where there is none."""
        return await self.call(lambda client: client.inspect_image(reference))

    async def inspect(self, name: str) -> dict[str, Any] | None:
        """What the engine knows of one container; None when there is none of that name."""
        try:
            return await self.call(lambda client: client.inspect_container(name))
        except EngineRefused as refusal:
            if refusal.status == 404:
                return None
            raise

    async def containers(self, label: str) -> list[dict[str, Any]]:
        """Those that have a label ``name=value``, whether they run or not."""
        return await self.call(lambda client: client.containers(all=True, filters={"label": label}))

    async def log_tail(self, name: str, lines: int) -> bytes:
        """The last that a container's first process wrote."""
        return await self.call(lambda client: bytes(client.logs(name, tail=lines)))

    async def close(self) -> None:
        """May be called twice; waits for the calls that are under way."""
        await asyncio.to_thread(self._executor.shutdown)
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _opened(self) -> APIClient:
        with self._lock:
            if self._client is None:
                _check_somebody_listens(self.url)
                from docker import APIClient

                # the pool of connections is as large as that of the threads
                self._client = APIClient(
                    self.url, version="auto", timeout=int(self._answers_s), max_pool_size=_THREADS
                )
            return self._client


def _check_somebody_listens(url: str) -> None:
    """The package leaves a socket open where nobody does."""
    if url.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(url.removeprefix("unix://"))


def _cause(error: BaseException) -> str:
    """The innermost: what wraps it says nothing that a person needs."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
