"""Shows far output through the local display machinery, so that ``%%capture`` and redirections work around it."""

from __future__ import annotations

import html
import secrets
import sys
from typing import Any

from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import clear_output

from farcell.remote_runtime.client.output import Output, as_another_cells

from .front_end import FrontEnd, Header


class FarResult:
    """The value of a far cell's last expression, as its kernel displayed it; the value itself is far."""

    def __init__(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        self._data = data
        self._metadata = metadata

    def __repr__(self) -> str:
        return str(self._data.get("text/plain", "<a far result>"))

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._data, self._metadata


def show_output(shell: InteractiveShell, output: Output) -> None:
    """Shows one message of a far cell. Errors are not shown: they are raised, and then shown once."""
    content = output.content
    match output.msg_type:
        case "stream":
            stream = sys.stderr if content.get("name") == "stderr" else sys.stdout
            stream.write(content.get("text", ""))
            stream.flush()
        case "display_data":
            _publish(shell, content)
        case "update_display_data":
            _publish(shell, content, update=True)
        case "execute_result":
            sys.displayhook(FarResult(content.get("data", {}), content.get("metadata", {})))
        case "clear_output":
            clear_output(wait=bool(content.get("wait")))  # type: ignore[no-untyped-call]


def show_missed(shell: InteractiveShell, output: Output) -> None:
    """Shows what another cell has put out."""
    show_output(shell, as_another_cells(output))


def _publish(shell: InteractiveShell, content: dict[str, Any], *, update: bool = False) -> None:
    shell.display_pub.publish(
        data=content.get("data", {}),
        metadata=content.get("metadata", {}),
        transient=content.get("transient", {}),
        update=update,
    )


def is_captured(shell: InteractiveShell) -> bool:
    """Whether ``%%capture`` takes what is shown now: a passing line is nothing to keep."""
    return isinstance(shell.display_pub, CapturingDisplayPublisher)


class NoteLine:
    """One line of Farcell's own under a cell; written again in place, from any thread."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._display_id = f"farcell-{secrets.token_hex(8)}"
        self._text: str | None = None
        self._shown: str | None = None

    def write(self, text: str) -> None:
        """Shows the line, or replaces what it says."""
        self._text = text
        self._show(text)

    def rewrite(self, text: str) -> None:
        """Replaces what a line says that is shown."""
        if self._shown is not None:
            self.write(text)

    def note(self, addition: str | None) -> None:
        """Puts a passing remark behind a line that is shown; None takes it away again."""
        if self._text is not None:
            self._show(f"{self._text} · {addition}" if addition else self._text)

    def remove(self) -> None:
        """Takes the line away. It must be the only output so far: Jupyter can clear a cell, not a line."""
        if self._shown is not None:
            clear_output()  # type: ignore[no-untyped-call]
            self._text = self._shown = None

    def blank(self) -> None:
        """Where other output stands beside it, the line only loses its words."""
        self.rewrite("")

    def _show(self, text: str) -> None:
        """The same text again is not sent."""
        if text != self._shown:
            data = {
                "text/plain": text,
                "text/html": f'<span style="opacity: 0.7">{html.escape(text)}</span>',
            }
            content = {"data": data, "metadata": {}, "transient": {"display_id": self._display_id}}
            self._publish(content, update=self._shown is not None)
            self._shown = text

    def _publish(self, content: dict[str, Any], *, update: bool) -> None:
        _publish(self._shell, content, update=update)


class LateLine(NoteLine):
    """Stays under its cell, whatever runs now."""

    def __init__(self, shell: InteractiveShell, front_end: FrontEnd, request: Header) -> None:
        super().__init__(shell)
        self._front_end = front_end
        self._request = request

    def again(self) -> None:
        """After its cell was cleared."""
        text, self._shown = self._shown, None
        if text is not None:
            self._show(text)

    def _publish(self, content: dict[str, Any], *, update: bool) -> None:
        kind = "update_display_data" if update else "display_data"
        self._front_end.publish(Output(kind, content), self._request)
