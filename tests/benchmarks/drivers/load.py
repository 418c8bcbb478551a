"""What servers are measured by: a core of their own, their memory and CPU time, and lines of output to relay."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from raw_websockets import RawWebSocket

SESSIONS = 8
"""How many send at once."""
MESSAGES = 5_000
"""How many each of them sends: lines of output."""
ANSWER_S = 500.0
SETTLE_S = 2.0
LOAD_CORE = "FARCELL_BENCH_LOAD_CORE"
_NUMBER = re.compile(rb'"text": ?"(\d+)\\n"')
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@contextmanager
def server_core() -> Iterator[None]:
    """What is started inside has a core for itself, and this process with its other children the rest."""
    cores = sorted(os.sched_getaffinity(0))
    load = set(cores[1:] or cores)
    os.environ[LOAD_CORE] = ",".join(map(str, load))
    os.sched_setaffinity(0, cores[:1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, load)


def leave_server_core() -> None:
    """For a process that the server starts."""
    os.sched_setaffinity(0, set(map(int, os.environ[LOAD_CORE].split(","))))


def memory_bytes(pid: int) -> int:
    """Resident, as the system counts it."""
    fields = Path(f"/proc/{pid}/statm").read_text("ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def core_s(pid: int) -> float:
    """The CPU time that the process has had, its threads' included and its children's not."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


class Receivers:
    """Clients that count the lines which come to them, and look at their order when all are there."""

    def __init__(self, clients: Sequence[RawWebSocket]) -> None:
        self._came: list[list[bytes]] = [[] for _ in clients]
        self._all_came = asyncio.Event()
        for client, came in zip(clients, self._came, strict=True):
            client.received = self._taker(came)

    def _taker(self, came: list[bytes]) -> Callable[[list[bytes]], None]:
        def take(payloads: list[bytes]) -> None:
            came.extend(payload for payload in payloads if b'"stdout"' in payload)
            if len(came) >= MESSAGES:
                self._look()

        return take

    def _look(self) -> None:
        if all(len(came) >= MESSAGES for came in self._came):
            self._all_came.set()

    async def all_came(self) -> None:
        async with asyncio.timeout(ANSWER_S):
            await self._all_came.wait()
        for came in self._came:
            numbers = [int(found[1]) for payload in came if (found := _NUMBER.search(payload))]
            if numbers != list(range(MESSAGES)):
                raise RuntimeError(f"{len(numbers)} messages of {MESSAGES} came, or out of order")


def line(number: int) -> dict[str, str]:
    """The content of a message with one line of output."""
    return {"name": "stdout", "text": f"{number}\n"}


async def core_s_per_message(
    pid: int, clients: Sequence[RawWebSocket], send_all: Callable[[], Awaitable[None]]
) -> float:
    """Every client is sent `MESSAGES` lines, all at the same time, and gets them all."""
    receivers = Receivers(clients)
    before = core_s(pid)
    await asyncio.gather(send_all(), receivers.all_came())
    return (core_s(pid) - before) / (len(clients) * MESSAGES)
