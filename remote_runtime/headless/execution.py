"""One run of a notebook: its cells in order, each kept when it has ended, until one fails or somebody stops it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from ..client.endings import format_duration
from ..errors import CellTimeout, FarcellError
from .kernels import RunKernel
from .notebook_file import NotebookFile, is_run
from .screen import Screen

PATIENCE_S = 10.0
"""How long an interrupted cell may take to end; a Farcell kernel needs at most 8 s."""
_OUTPUT_S = 600
"""How long the rest of a cell's output may take behind its reply: nbclient takes some thousand messages in a second."""
_AS_A_FRONT_END = {"coalesce_streams": True, "iopub_timeout": _OUTPUT_S, "raise_on_iopub_timeout": True}
"""Lines that are written over are kept in their last state, and no output is left out."""
_STOPPING = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


class _CellClient(NotebookClient):
    """Tells when a cell has begun: until then it may wait for a GPU."""

    def __init__(self, notebook: NotebookNode, begun: Callable[[], None], **settings: Any) -> None:
        super().__init__(notebook, **settings)
        self._begun = begun

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        if msg["msg_type"] == "execute_input":
            self._begun()
        return super().process_message(msg, cell, cell_index)


class Stopped(Exception):
    """A signal came; `number` is the first one's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(slots=True)
class Run:
    """`folder` is where the kernel starts. A cell that has run for `timeout_s` is interrupted, and fails."""

    notebook: NotebookNode
    kernel: RunKernel
    file: NotebookFile
    screen: Screen
    folder: Path
    timeout_s: float | None = None
    _client: _CellClient = field(init=False)
    _work: asyncio.Task[None] | None = None
    _signal: int | None = None
    _timed_out: bool = False
    _given_up: bool = False
    _in_cell: bool = False
    _limit: asyncio.TimerHandle | None = None
    _interrupting: asyncio.Task[None] | None = None

    async def execute(self) -> None:
        """Raises `FarcellError` for the cell that failed, or `Stopped`; the kernel is gone then.

        The first signal interrupts the cell and waits for its end, the second gives it up.
        """
        self._work = asyncio.create_task(self._execute())
        with _handling(self._stop):
            await asyncio.wait({self._work})
        if self._signal is not None:
            if not self._work.cancelled():
                self._work.exception()
            raise Stopped(self._signal)
        self._work.result()

    async def _execute(self) -> None:
        try:
            channels = await self.kernel.start(self.folder)
            try:
                self._client = _CellClient(
                    self.notebook, self._begun, km=self.kernel.manager, **_AS_A_FRONT_END
                )
                self._client.kc = channels
                await self._tell_language()
                await self._execute_cells()
            finally:
                channels.stop_channels()
        finally:
            await self.kernel.end(now=self._given_up)

    async def _tell_language(self) -> None:
        assert self._client.kc is not None
        reply = await self._client.async_wait_for_reply(self._client.kc.kernel_info())
        if reply is not None:
            self.notebook.metadata["language_info"] = reply["content"]["language_info"]

    async def _execute_cells(self) -> None:
        number = 0
        for index, cell in enumerate(self.notebook.cells):
            if is_run(cell) and self._signal is None:
                number += 1
                await self._execute_cell(cell, index, number)

    async def _execute_cell(self, cell: NotebookNode, index: int, number: int) -> None:
        place = f"cell {number} of {sum(map(is_run, self.notebook.cells))}"
        try:
            with self.screen.cell(number, cell), self._interruptible():
                await self._client.async_execute_cell(cell, index)
        except CellExecutionError as error:
            raise self._failed(place, f"raised {error.ename}: {error.evalue}") from error
        except CellTimeoutError as error:
            raise self._failed(place, "has ended, but the end of its output is missing") from error
        except DeadKernelError as error:
            raise self._failed(place, f"was the last: the kernel died{self.kernel.last_words()}") from error
        finally:
            self._client.set_widgets_metadata()
            self.file.save(self.notebook)
        if self._timed_out:  # it may have taken no notice of its interrupt
            raise self._failed(place, "")

    def _failed(self, place: str, what: str) -> FarcellError:
        if self._timed_out and self.timeout_s is not None:
            limit = format_duration(self.timeout_s)
            return CellTimeout(f"{place} ran longer than {limit} and was interrupted")
        return FarcellError(f"{place} {what}")

    # --- interrupts ---

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """While a cell runs or waits for that."""
        self._in_cell = True
        try:
            yield
        finally:
            self._in_cell = False
            for waiting in (self._limit, self._interrupting):
                if waiting is not None:
                    waiting.cancel()
            self._limit = self._interrupting = None

    def _begun(self) -> None:
        if self.timeout_s is not None and self._limit is None:
            self._limit = asyncio.get_running_loop().call_later(self.timeout_s, self._time_out)

    def _time_out(self) -> None:
        self._timed_out = True
        self._interrupt()

    def _stop(self, number: int) -> None:
        first, self._signal = self._signal is None, self._signal or number
        if first and self._in_cell:
            self._interrupt()
        else:
            self._give_up()

    def _interrupt(self) -> None:
        if self._interrupting is None:
            self._interrupting = asyncio.create_task(self._interrupt_and_wait())

    async def _interrupt_and_wait(self) -> None:
        await self.kernel.interrupt()
        await asyncio.sleep(PATIENCE_S)
        self._give_up()

    def _give_up(self) -> None:
        assert self._work is not None
        self._given_up = True
        self._work.cancel()


@contextlib.contextmanager
def _handling(stop: Callable[[int], None]) -> Iterator[None]:
    """Calls `stop` on the event loop for a signal that ends programs, unless it is ignored here (``nohup``)."""
    loop = asyncio.get_running_loop()

    def heard(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop, number)

    before = {one: signal.getsignal(one) for one in _STOPPING}
    taken = [one for one, handler in before.items() if handler is not signal.SIG_IGN]
    for one in taken:
        signal.signal(one, heard)
    try:
        yield
    finally:
        for one in taken:
            signal.signal(one, before[one])
