"""Kernel messages as a far kernel sends them about a cell, and cells to send."""

from __future__ import annotations

from typing import Any

from farcell.remote_runtime.client.cell import CellRun, CellSource, Event, new_header
from farcell.remote_runtime.journal import Kind, Record
from farcell.remote_runtime.wire import messages
from farcell.remote_runtime.wire.messages import KernelMessage


def header(msg_type: str, msg_id: str = "") -> dict[str, Any]:
    return new_header("far", msg_type) | ({"msg_id": msg_id} if msg_id else {})


def about(
    execute_id: str | None, msg_type: str, content: dict[str, Any] | None = None, channel: str = "iopub"
) -> KernelMessage:
    """A message whose parent is that cell's request; None: nobody's."""
    parent = {} if execute_id is None else header("execute_request", execute_id)
    return messages.encode(channel, header(msg_type), parent, content=content)


def status(execute_id: str | None, state: str, **more: Any) -> KernelMessage:
    return about(execute_id, "status", {"execution_state": state, **more})


def stream(execute_id: str, text: str) -> KernelMessage:
    return about(execute_id, "stream", {"name": "stdout", "text": text})


def reply(execute_id: str, status: str = "ok") -> KernelMessage:
    return about(execute_id, "execute_reply", {"status": status}, "shell")


def question(execute_id: str, prompt: str = "? ", *, password: bool = False) -> KernelMessage:
    return about(execute_id, "input_request", {"prompt": prompt, "password": password}, "stdin")


def restarting(detail: str) -> KernelMessage:
    return status(None, "restarting", farcell={"detail": detail})


def record(position: int, message: KernelMessage, client: int = 0) -> Record:
    return Record(position, Kind.MESSAGE, messages.pack(message), client)


def accepted(position: int, execute_id: str, client: int = 1) -> Record:
    return Record(position, Kind.ACCEPTED, execute_id.encode(), client)


def request(execute_id: str, *, number: object = None, **content: Any) -> KernelMessage:
    metadata = {} if number is None else {"farcell": {"number": number}}
    return messages.encode("shell", header("execute_request", execute_id), metadata=metadata, content=content)


class PlayedCell(CellRun):
    """A cell whose interrupts and answers are only noted, and whose events can be looked at."""

    def __init__(self, execute_id: str, code: str = "1") -> None:
        self.interrupts = 0
        self.answers: list[KernelMessage] = []
        source = CellSource(code, header("execute_request", execute_id))
        super().__init__(source, self._interrupted, self.answers.append)

    def _interrupted(self) -> None:
        self.interrupts += 1

    def events(self) -> list[Event]:
        """Those that came since the last look."""
        found: list[Event] = []
        while not self._events.empty():
            found.append(self.next(0))
        return found
