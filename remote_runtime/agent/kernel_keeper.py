"""Keeps a kernel: waits for its readiness, carries messages to and from it, replaces it when it dies or is told to."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Protocol

from ..errors import TooLarge
from ..wire.messages import KernelMessage
from ..wire.numbered import BROADCAST, OWN_CLIENTS
from .kernel_channels import KernelChannels
from .kernel_process import KernelProcess, describe_exit
from .kernel_requests import KernelRequests

PENDING_BYTES = 64 << 20
"""What clients may send before the kernel answers; more is refused."""
RESTARTED = "restarted"
_POLL_S = 0.2
EARLY_DEATH_S = 5.0
LONGEST_DELAY_S = 2.0


class KernelEvents(Protocol):
    """What the keeper's owner hears, on the event loop."""

    def from_kernel(self, client: int, message: KernelMessage) -> None: ...

    def kernel_ready(self, pid: int) -> None: ...

    def kernel_replaced(self, why: str) -> None: ...


class KernelKeeper:
    """`process` has been started; `run` does the rest. `answers` says whether the kernel takes messages now."""

    def __init__(
        self, process: KernelProcess, events: KernelEvents, sent: Callable[[KernelMessage], None]
    ) -> None:
        self._process = process
        self._events = events
        self._sent = sent
        self._clients = {OWN_CLIENTS}
        self._pending: list[tuple[int, KernelMessage]] = []
        self._restart_wanted = asyncio.Event()
        self._asked_folders: asyncio.Future[dict[str, Any]] | None = None
        self.answers = False
        self._open()

    @property
    def pid(self) -> int:
        return self._process.pid

    # --- messages ---

    def send(self, client: int, message: KernelMessage) -> None:
        """To the kernel, in order; waits where the kernel does not answer yet.

        Raises `TooLarge` where too much waits, and `BadFrame` for what no client may send.
        """
        if not self.answers:
            self._wait(client, message)
            return
        self._sent(message)
        self._channels.send(client, message)

    def attach(self, client: int) -> None:
        self._clients.add(client)
        self._channels.attach(client)

    def detach(self, client: int) -> None:
        self._clients.discard(client)
        self._channels.detach(client)

    def detach_all(self) -> None:
        """All but our own clients, whose replies are kept for them."""
        for client in self._clients - {OWN_CLIENTS}:
            self.detach(client)

    def pause(self) -> None:
        """Reads nothing more from the kernel until `resume`; it keeps what it has to say."""
        self._channels.pause()

    def resume(self) -> None:
        self._channels.resume()

    def _wait(self, client: int, message: KernelMessage) -> None:
        if sum(_size(pending) for _, pending in self._pending) + _size(message) > PENDING_BYTES:
            raise TooLarge(f"more than {PENDING_BYTES >> 20} MiB wait for the kernel")
        self._pending.append((client, message))

    def _received(self, client: int, message: KernelMessage) -> None:
        if not self._requests.received(message):
            self._events.from_kernel(client, message)

    # --- what the owner wants of it ---

    def interrupt(self) -> None:
        self._process.interrupt()

    def restart(self) -> None:
        """Replaces the kernel; `kernel_ready` tells when the new one answers."""
        self._restart_wanted.set()

    async def variables(self) -> tuple[str, ...]:
        """The names that the user's cells made; empty where the kernel does not answer."""
        return await self._requests.variables() if self.answers else ()

    async def package_folders(self) -> tuple[str, ...]:
        """Where the kernel's packages lay before its first cell; nothing while no kernel has answered."""
        if self._asked_folders is None:
            return ()
        reply = await asyncio.shield(self._asked_folders)
        return tuple(map(str, reply.get("folders", ())))

    def close(self) -> None:
        """Ends the kernel; blocks for up to two seconds."""
        self._channels.close()
        self._process.kill()

    # --- its life ---

    async def run(self) -> None:
        """One kernel after the other, until cancelled; slower when they die as soon as they are there."""
        delay_s = 0.0
        while True:
            started = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                readiness = tasks.create_task(self._announce())
                why = await self._end()
                readiness.cancel()
            early = why != RESTARTED and time.monotonic() - started < EARLY_DEATH_S
            delay_s = min(max(2 * delay_s, 0.5), LONGEST_DELAY_S) if early else 0.0
            await self._replace(why, delay_s)

    def _open(self) -> None:
        self._channels = KernelChannels(self._process.connection, self._received)
        self._requests = KernelRequests(lambda message: self._channels.send(BROADCAST, message))
        for client in self._clients:
            self._channels.attach(client)

    async def _announce(self) -> None:
        await self._requests.ready()
        self._asked_folders = self._requests.package_folders()
        self.answers = True
        self._events.kernel_ready(self.pid)
        pending, self._pending = self._pending, []
        for client, message in pending:
            self.send(client, message)

    async def _end(self) -> str:
        """Why this kernel is over: its exit in words, or `RESTARTED`."""
        while (code := self._process.poll()) is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._restart_wanted.wait()
                    return RESTARTED
        return describe_exit(code)

    async def _replace(self, why: str, delay_s: float) -> None:
        self._restart_wanted.clear()
        self.answers = False
        self._pending.clear()  # whoever sent it hears that this kernel is gone
        self._events.kernel_replaced(why)
        await asyncio.sleep(delay_s)
        self._channels.close()
        await asyncio.to_thread(self._process.kill)
        self._process.start()
        self._open()


def _size(message: KernelMessage) -> int:
    return len(message.content) + sum(map(len, message.buffers))
