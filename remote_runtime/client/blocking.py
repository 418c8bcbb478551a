"""The client's blocking face: an event loop in a thread of its own, for notebooks and commands."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from ..api import Bill, Offer, SavedImage, Session, SessionKey, SessionSpec
from ..errors import FarcellError
from ..wire.messages import KernelMessage
from .attachments import Stray
from .cell import CellRun, CellSource, new_header
from .core import Core
from .far_shells import Lane
from .logs import ALL_SOURCES, LogPart, LogWish

T = TypeVar("T")
_log = logging.getLogger(__name__)


def _ignore(
    _key: SessionKey, _message: KernelMessage, _header: dict[str, Any], _parent: dict[str, Any]
) -> None:
    """What comes under no running cell is nobody's, unless somebody takes it."""


def _forget(_session: Session) -> None:
    """As `_ignore`, for changes of sessions."""


class Face:
    """Blocking calls from any thread but the loop's, each raising `FarcellError`.

    A KeyboardInterrupt cancels what is under way. Whoever runs the loop closes the core.
    """

    def __init__(self, core: Core, loop: asyncio.AbstractEventLoop) -> None:
        self._core = core
        self._loop = loop

    def offers(self) -> list[Offer]:
        return self._wait(self._core.gateway.offers())

    def sessions(self) -> list[Session]:
        return self._wait(self._core.gateway.sessions())

    def session(self, session_id: str) -> Session:
        return self._wait(self._core.gateway.session(session_id))

    def bill(self) -> Bill:
        return self._wait(self._core.gateway.bill())

    def log(self, session_id: str, wish: LogWish = ALL_SOURCES) -> LogPart:
        return self._wait(self._core.gateway.log(session_id, wish))

    def images(self) -> list[SavedImage]:
        """Those that the user keeps, by name."""
        return self._wait(self._core.gateway.images())

    def save_image(self, session_id: str, name: str | None) -> SavedImage:
        return self._wait(self._core.gateway.save_image(session_id, name))

    def stop(self, session_id: str) -> Session:
        return self._wait(self._core.gateway.stop(session_id))

    def stop_all(self, chosen: Callable[[Session], bool]) -> None:
        """Ends the chosen ones of those that live, on this thread or another; starts no gateway for that."""
        self._wait(self._core.gateway.stop_all(chosen))

    def keep(self, session_id: str, seconds: float) -> Session:
        return self._wait(self._core.gateway.keep(session_id, seconds))

    def restart(self, session_id: str) -> None:
        self._wait(self._core.gateway.restart(session_id))

    def holds(self, session: Session) -> bool:
        """Whether this client attached to it last, or nobody has."""
        return session.holder is None or session.holder.client == self._core.gateway.me.client

    def get(self, path: str) -> Any:
        return self._wait(self._core.gateway.get(path))

    def show_missed(self, session: Session) -> CellRun:
        """What the cells of a session that has ended did behind what its notebook has shown, as events of a cell's."""
        cell = CellRun(CellSource("", new_header()), lambda: None, lambda _: None)
        asyncio.run_coroutine_threadsafe(self._core.show_missed(cell, session), self._loop)
        return cell

    def run_cell(self, source: CellSource, spec: SessionSpec, *, take: bool = False) -> CellRun:
        """Sends a cell on its way and returns at once; everything else comes as events of the `CellRun`.

        `take`: a session that another client has taken over is taken back.
        """

        async def interrupt_cell() -> None:
            try:
                await self._core.interrupt_cell(cell)
            except FarcellError as error:
                _log.warning("an interrupt did not reach session %s: %s", spec.key.name, error)

        def interrupt() -> None:
            asyncio.run_coroutine_threadsafe(interrupt_cell(), self._loop)

        def answer(message: KernelMessage) -> None:
            self._loop.call_soon_threadsafe(self._core.answer, cell, message)

        cell = CellRun(source, interrupt, answer)
        asyncio.run_coroutine_threadsafe(self._core.run_cell(cell, spec, take=take), self._loop)
        return cell

    def listen(self, changed: Callable[[Session], None]) -> None:
        """Calls `changed` on the loop's thread with every change of a session that the core is attached to."""
        self._loop.call_soon_threadsafe(self._core.listen, changed)

    # --- what is no cell; from any thread, the loop's too ---

    def attached(self, key: SessionKey) -> Session | None:
        """The session if a kernel of its can be asked now, without starting anything."""
        return self._core.attached(key)

    def send(self, key: SessionKey, message: KernelMessage, lane: Lane = None) -> None:
        """In the lane's order, also beside a running cell; what comes of it is stray."""
        self._begin(self._core.shells.send(key, message, lane))

    def request(self, key: SessionKey, message: KernelMessage, lane: Lane = None) -> Future[KernelMessage]:
        """As `send`, with its reply, whenever that comes."""
        return self._begin(self._core.shells.request(key, message, lane))

    def lane_ended(self, lane: Lane) -> None:
        self._loop.call_soon_threadsafe(self._core.shells.delete, lane)

    def keep_open(self, key: SessionKey) -> None:
        """The way to the session stays open between cells too, as long as its container lives."""
        self._loop.call_soon_threadsafe(self._core.keep_open, key)

    def _begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Nothing of its own."""

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


class Client(Face):
    """With a loop of its own, in a thread of its own.

    `stray` and `changed` (a session that this client is attached to) are called on that thread. `name` is what others
    are told who took a session over from them. `close` may be called twice; the process may also just end.
    """

    def __init__(
        self, stray: Stray = _ignore, changed: Callable[[Session], None] = _forget, name: str = ""
    ) -> None:
        loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="farcell-client", daemon=True)
        self._thread.start()
        super().__init__(Core(stray, changed, name=name), loop)
        self._closed = False

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._wait(self._core.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
