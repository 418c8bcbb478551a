"""How a run is told: one line for each cell, the end of what it put out, an error's traceback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from nbformat import NotebookNode
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from ..client.endings import format_duration

TAIL_LINES = 5
LOG_WIDTH = 100
REFRESH_PER_S = 4
MARGIN = "  │ "


@dataclass(frozen=True, slots=True)
class Running:
    """The cell that runs now, as it is drawn again and again: its place, its time, the last line that it put out."""

    place: str
    cell: NotebookNode
    started: float = field(default_factory=time.monotonic)

    @property
    def duration(self) -> str:
        return format_duration(time.monotonic() - self.started)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        waited_s = int(time.monotonic() - self.started)
        last = output_tail(self.cell.outputs[-1:], 1)[1]
        line = Text(f"{self.place} {first_line(self.cell)} · {format_duration(waited_s)}", "bold")
        line.append(f" · {last[0].strip()}" if last else "", "not bold dim")
        line.truncate(options.max_width, overflow="ellipsis")
        yield line


class Screen:
    """A terminal, where the line of the running cell is alive; or a file or a pipe, which gets plain lines."""

    def __init__(self, console: Console, cells: int) -> None:
        self._console = console
        self._cells = cells

    @contextmanager
    def cell(self, number: int, cell: NotebookNode) -> Iterator[None]:
        """While the cell runs; then what became of it."""
        running = Running(f"[{number}/{self._cells}]", cell)
        if self._console.is_terminal:
            try:
                with Live(running, console=self._console, transient=True, refresh_per_second=REFRESH_PER_S):
                    yield
            finally:
                self._line(f"{running.place} {first_line(cell)} · {running.duration}")
                self._outputs(cell)
        else:
            self._line(f"{running.place} {first_line(cell)}")
            try:
                yield
            finally:
                self._outputs(cell)
                self._line(f"{running.place} took {running.duration}")

    def _outputs(self, cell: NotebookNode) -> None:
        """The end of what it put out, and the whole traceback of its error."""
        left_out, lines = output_tail(cell.outputs, TAIL_LINES)
        if left_out:
            self._margin(Text(f"… {left_out} lines before", "dim"))
        for line in lines:
            self._margin(Text.from_ansi(line, style="dim"))
        for output in cell.outputs:
            if output.output_type == "error":
                for line in "\n".join(output.traceback).splitlines():
                    self._margin(Text.from_ansi(line))

    def _line(self, text: str) -> None:
        line = Text(text)
        if self._console.is_terminal:
            line.truncate(self._console.width, overflow="ellipsis")
        self._console.print(line)

    def _margin(self, line: Text) -> None:
        self._console.print(Text(MARGIN, "dim") + line)


def first_line(cell: NotebookNode) -> str:
    """As much of it as fits into a log's line."""
    line = next(filter(None, map(str.strip, cell.source.splitlines())), "")
    return line if len(line) <= LOG_WIDTH else line[: LOG_WIDTH - 1] + "…"


def output_tail(outputs: list[NotebookNode], most: int) -> tuple[int, list[str]]:
    """How many lines of text there are before the last `most`, and these; errors apart. Displays without text count
    as a line that says what they are.
    """
    lines = "".join(map(_text, outputs)).splitlines(keepends=False)
    return max(0, len(lines) - most), lines[-most:]


def _text(output: NotebookNode) -> str:
    """Ends at a line's end; of a line that was written over, the last state."""
    match output.output_type:
        case "stream":
            text = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in output.text.split("\n"))
        case "execute_result" | "display_data":
            text = _described(output.data)
        case _:
            return ""
    return text if text.endswith("\n") or not text else text + "\n"


def _described(data: NotebookNode) -> str:
    pictures = [kind for kind in data if kind.startswith("image/")]
    if pictures:
        return f"[{', '.join(pictures)}]"
    return str(data.get("text/plain", f"[{', '.join(data)}]"))
