"""The order of a notebook's cells, which run in two places; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from .messages import Request
from .routing import Place


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as the front end sent it."""

    request: Request
    place: Place
    stop_on_error: bool = True


class CellOrder:
    """Starts cells in the order in which they came.

    A cell begins when those before it have ended; but far ones are sent on at once behind each other while `pipelined`
    says so, so that they run on when the notebook's machine goes to sleep. A cell that fails has those that wait
    behind it aborted, as in every Jupyter kernel.
    """

    def __init__(
        self, start: Callable[[Cell], None], abort: Callable[[Cell], None], pipelined: Callable[[], bool]
    ) -> None:
        self._start = start
        self._abort = abort
        self._pipelined = pipelined
        self._running: dict[str, Cell] = {}
        self._waiting: deque[Cell] = deque()

    def add(self, cell: Cell) -> None:
        self._waiting.append(cell)
        self._go_on()

    def ended(self, msg_id: str, *, failed: bool) -> None:
        """Silent for a cell that has ended before."""
        cell = self._running.pop(msg_id, None)
        if cell is None:
            return
        if failed and cell.stop_on_error:
            while self._waiting:
                self._abort(self._waiting.popleft())
        self._go_on()

    @property
    def far(self) -> list[Cell]:
        """Those that were sent on, the first first."""
        return [cell for cell in self._running.values() if cell.place is Place.FAR]

    def _go_on(self) -> None:
        while self._waiting and self._may_start(self._waiting[0]):
            cell = self._waiting.popleft()
            self._running[cell.request.msg_id] = cell
            self._start(cell)

    def _may_start(self, cell: Cell) -> bool:
        if not self._running:
            return True
        all_far = cell.place is Place.FAR and len(self.far) == len(self._running)
        return all_far and self._pipelined()
