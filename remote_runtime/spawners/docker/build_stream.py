"""A build or a pull at the engine: one answer that goes on for long, and that another thread can end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Lock
from typing import IO, TYPE_CHECKING, Any

from .build_call import BuildCall

if TYPE_CHECKING:
    from requests import Response

ANSWERS_S = 60


class BuildStream:
    """For one call, in one thread; only `end` is for other threads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = Lock()
        self._response: Response | None = None
        self._ended = False

    def carry_out(self, work: Callable[[BuildStream], None]) -> None:
        """Runs `work` with a connection of its own to the engine. What the engine refuses is raised as it comes."""
        from docker import APIClient

        with APIClient(self._url, version="auto", timeout=ANSWERS_S) as self._client:
            self._client.hooks["response"].append(self._note)
            if not self._ended:
                work(self)

    def build(self, call: BuildCall, context: IO[bytes]) -> Iterator[dict[str, Any]]:
        """The engine's chunks. The engine gives the build up, and removes what it made, when nobody reads any more."""
        if call.cgroup_parent:
            self._client.params = {"cgroupparent": call.cgroup_parent}
        chunks: Iterator[dict[str, Any]] = self._client.build(
            fileobj=context,
            custom_context=True,
            tag=call.tag,
            rm=True,
            forcerm=True,
            network_mode=call.network,
            buildargs=dict(call.arguments),
            container_limits=_limits(call),
            decode=True,
            timeout=None,
            use_config_proxy=False,
        )
        return self._until_ended(chunks)

    def pull(self, reference: str) -> Iterator[dict[str, Any]]:
        chunks: Iterator[dict[str, Any]] = self._client.pull(reference, stream=True, decode=True)
        return self._until_ended(chunks)

    def end(self) -> None:
        """The reader hears no more; may be called at any time, and twice."""
        with self._lock:
            self._ended = True
            self._hang_up()

    def _note(self, response: Response, *_: Any, **__: Any) -> None:
        with self._lock:
            self._response = response
            if self._ended:
                self._hang_up()

    def _hang_up(self) -> None:
        from docker.types import CancellableStream

        if self._response is not None:
            with suppress(OSError, AttributeError):  # it is over already
                CancellableStream(iter(()), self._response).close()

    def _until_ended(self, chunks: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        try:
            yield from chunks
        except (OSError, HTTPError, RequestException, ValueError):
            if not self._ended:
                raise


def _limits(call: BuildCall) -> Any:
    """In the builder's names; no swap on top."""
    return {"memory": call.memory_bytes, "memswap": call.memory_bytes} if call.memory_bytes else {}
