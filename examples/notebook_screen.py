"""Executes a notebook's cells one by one and shows them in a terminal, output by output, as they come."""

from __future__ import annotations

import base64
import struct
from typing import Any

from nbclient import NotebookClient
from nbformat import NotebookNode
from rich.console import Console
from rich.markdown import Markdown
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

HEAD_LINES = 6
MARGIN = "  │ "


class Screen:
    """A terminal; or a file, where of a line that is written over and over only the last state is kept."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._line = ""
        self._stream = ""

    def prose(self, markdown: str) -> None:
        self.console.print()
        self.console.print(Markdown(markdown))

    def source(self, number: int, source: str) -> None:
        """The first lines of a cell, so that one knows which it is."""
        lines = source.splitlines()
        head = "\n".join(lines[:HEAD_LINES]) + ("\n…" if len(lines) > HEAD_LINES else "")
        self.console.print(f"\n[bold green]In [{number}]:[/]")
        code = Syntax(head, "python", theme="ansi_dark", background_color="default", word_wrap=True)
        self.console.print(Padding(code, (0, 0, 0, 2)))

    def stream(self, name: str, text: str) -> None:
        """A piece of stdout or stderr, at once, with the carriage returns of a progress bar."""
        if name != self._stream:
            self.close_line()
            self._stream = name
            text = text.removeprefix("\n")  # it ends a line that is closed already
        for piece in text.splitlines(keepends=True):
            self._line = piece if self._line.endswith(("\r", "\n")) else self._line + piece
            self._write(whole=self._line.endswith("\n"))

    def close_line(self) -> None:
        """What comes next begins a new line."""
        if self._line.strip() and not self._line.endswith("\n"):
            self._line = self._line.rstrip("\r") + "\n"
            self._write(whole=True)
        self._line = ""

    def block(self, text: str, style: str = "") -> None:
        """A whole output, with the colours that it came with."""
        self.close_line()
        for line in text.rstrip("\n").split("\n"):
            self.console.print(Text(MARGIN, "dim") + Text.from_ansi(line, style=style), soft_wrap=True)

    def _write(self, *, whole: bool) -> None:
        """A terminal shows every state of a line; a file gets whole lines."""
        if self.console.is_terminal:
            self.console.file.write("\r" + MARGIN + self._line)
        elif whole:
            self.console.file.write(MARGIN + self._line)
        self.console.file.flush()


class LiveNotebook(NotebookClient):
    """Shows every output when its message arrives; nbclient itself keeps them in the notebook."""

    def __init__(self, notebook: NotebookNode, screen: Screen, **settings: Any) -> None:
        super().__init__(notebook, **settings)
        self.screen = screen

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        self._show(msg["msg_type"], msg["content"])
        return super().process_message(msg, cell, cell_index)

    def _show(self, msg_type: str, content: dict[str, Any]) -> None:
        match msg_type:
            case "stream":
                self.screen.stream(content["name"], content["text"])
            case "display_data" | "update_display_data":
                self._show_data(content["data"], content.get("transient") or {})
            case "execute_result":
                self._show_data(content["data"], {}, prompt=f"Out[{content['execution_count']}]: ")
            case "error":
                self.screen.block("\n".join(content["traceback"]))
            case "status" if content["execution_state"] == "idle":
                self.screen.stream("", "")

    def _show_data(self, data: dict[str, Any], transient: dict[str, Any], prompt: str = "") -> None:
        """Text as it is; a line of Farcell's own is dim; of an image, what it is."""
        images = [kind for kind in data if kind.startswith("image/")]
        for kind in images:
            self.screen.block(describe_image(kind, data[kind]), "magenta")
        text = str(data.get("text/plain", ""))
        if text and not images:
            is_note = str(transient.get("display_id", "")).startswith("farcell-")
            self.screen.block(_after_prompt(prompt, text), "dim" if is_note else "")


def describe_image(kind: str, data: str) -> str:
    """``[image/png, 640 x 480, 21 kB]``; `data` is in base64 where the kind is no text."""
    if kind != "image/png":
        return f"[{kind}, {len(data) // 1000} kB]"
    png = base64.b64decode(data)
    width, height = struct.unpack(">II", png[16:24])
    return f"[{kind}, {width} x {height}, {len(png) // 1000} kB]"


def _after_prompt(prompt: str, text: str) -> str:
    """As in IPython: what has several lines begins below its prompt."""
    return f"{prompt}\n{text}" if prompt and "\n" in text else prompt + text
