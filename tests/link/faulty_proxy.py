"""A proxy whose connections break as told: closed, reset, silent, slow, late, refused, or cut after so many bytes."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

T = TypeVar("T")
Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PIECE_BYTES = 256 << 10
NEVER = 1 << 62


class Proxies:
    """The loop, in a thread of its own, on which proxies run."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._opened: list[FaultyProxy] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def tcp(self, dial: Callable[[], Awaitable[Pipe]]) -> FaultyProxy:
        return self._open(FaultyProxy(self, dial), None)

    def unix(self, path: Path, dial: Callable[[], Awaitable[Pipe]]) -> FaultyProxy:
        return self._open(FaultyProxy(self, dial), path)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def close(self) -> None:
        for proxy in self._opened:
            self.call(proxy.end())
        self.call(self._cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _open(self, proxy: FaultyProxy, path: Path | None) -> FaultyProxy:
        self.call(proxy.listen(path))
        self._opened.append(proxy)
        return proxy

    @staticmethod
    async def _cancel_all() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class FaultyProxy:
    """Faults may be set from any thread; they are for all connections that there are, `refusing` for new ones."""

    def __init__(self, proxies: Proxies, dial: Callable[[], Awaitable[Pipe]]) -> None:
        self._proxies = proxies
        self._dial = dial
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self.rate_bytes_per_s = NEVER
        self.delay_s = 0.0
        self.refusing = False
        self.cut_after_bytes = NEVER
        self.cuts = 0

    async def listen(self, path: Path | None) -> None:
        if path is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=PIECE_BYTES)
        else:
            self._server = await asyncio.start_unix_server(self._accept, path, limit=PIECE_BYTES)

    async def end(self) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    # --- faults ---

    def close_all(self) -> None:
        self._each(_Connection.close)

    def reset_all(self) -> None:
        self._each(_Connection.reset)

    def silence_all(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._each(_Connection.silence)

    def calm(self) -> None:
        """No new faults; what is silent stays so."""
        self.rate_bytes_per_s, self.delay_s = NEVER, 0.0
        self.refusing, self.cut_after_bytes = False, NEVER

    def _each(self, fault: Callable[[_Connection], None]) -> None:
        async def apply() -> None:
            self.cuts += bool(self._connections)
            for connection in list(self._connections):
                fault(connection)

        self._proxies.call(apply())

    # --- connections ---

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            self.cuts += 1
            writer.close()
            return
        try:
            far = await self._dial()
        except OSError:
            writer.close()
            return
        connection = _Connection(self, (reader, writer), far)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    def passed(self, size: int) -> bool:
        """Counts bytes; whether their connection is to be cut now."""
        if self.cut_after_bytes == NEVER:
            return False
        self.cut_after_bytes -= size
        if self.cut_after_bytes > 0:
            return False
        self.cut_after_bytes = NEVER
        self.cuts += 1
        return True


class _Connection:
    def __init__(self, proxy: FaultyProxy, near: Pipe, far: Pipe) -> None:
        self._proxy = proxy
        self._pipes = (near, far)
        self._silent = False

    async def run(self) -> None:
        (near_reader, near_writer), (far_reader, far_writer) = self._pipes
        ways = [
            asyncio.ensure_future(way)
            for way in (self._pass(near_reader, far_writer), self._pass(far_reader, near_writer))
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(min(PIECE_BYTES, max(1, self._proxy.rate_bytes_per_s // 10))):
                await self._wait(len(data))
                if self._silent:
                    continue
                writer.write(data)
                await writer.drain()
                if self._proxy.passed(len(data)):
                    self.reset()

    async def _wait(self, size: int) -> None:
        pause_s = self._proxy.delay_s + size / self._proxy.rate_bytes_per_s
        if pause_s > 1e-6:
            await asyncio.sleep(pause_s)

    def silence(self) -> None:
        self._silent = True

    def close(self) -> None:
        for _, writer in self._pipes:
            writer.close()

    def reset(self) -> None:
        for _, writer in self._pipes:
            bare = writer.get_extra_info("socket")
            if bare is not None and bare.family != socket.AF_UNIX:
                bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Closing:
    """What is closed at a block's end."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
