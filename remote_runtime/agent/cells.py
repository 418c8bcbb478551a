"""Which cells run in a kernel: told from the messages that pass the agent; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from ..wire.control import Cell
from ..wire.messages import KernelMessage

T = TypeVar("T")


class _Header(msgspec.Struct):
    msg_id: str = ""
    msg_type: str = ""
    session: str = ""


class _Content(msgspec.Struct):
    execution_state: str = ""
    execution_count: int | None = None
    silent: bool = False
    store_history: bool = True


class _CellFacts(msgspec.Struct):
    number: int | None = None


class _Metadata(msgspec.Struct):
    farcell: _CellFacts = msgspec.field(default_factory=_CellFacts)


_header = msgspec.json.Decoder(_Header)
_content = msgspec.json.Decoder(_Content)
_metadata = msgspec.json.Decoder(_Metadata)


@dataclass(slots=True)
class _Running:
    """A cell from its request to its end; `started_ms` is None while it waits in the kernel's queue.

    It counts as aborted until the kernel echoes its code, as it does with all that it runs.
    """

    number: int | None
    started_ms: int | None = None
    status: str = "aborted"
    waits_for_input: bool = False
    peaks: tuple[int, int, float] = (0, 0, 0.0)


@dataclass(slots=True)
class CellTracker:
    """Fed with every message of every client, in order; answers with the `Cell` that began or ended, if one did.

    A cell is an ``execute_request`` with ``store_history`` and without ``silent``: nothing else is one, or keeps a
    session busy. What can't be read is no cell.
    """

    _cells: dict[str, _Running] = field(default_factory=dict)

    @property
    def running(self) -> int:
        """Cells that run or wait in the kernel's queue."""
        return len(self._cells)

    @property
    def waits_for_input(self) -> bool:
        return any(cell.waits_for_input for cell in self._cells.values())

    def to_kernel(self, message: KernelMessage) -> None:
        header = _read(_header, message.header)
        if header is None:
            return
        if header.msg_type == "execute_request":
            self._request(header.msg_id, message)
        elif header.msg_type == "input_reply":
            self.interrupted()

    def from_kernel(self, message: KernelMessage, now_ms: int) -> Cell | None:
        header = _read(_header, message.header)
        parent = _read(_header, message.parent_header) if message.parent_header != b"{}" else None
        cell = self._cells.get(parent.msg_id) if parent else None
        if header is None or parent is None or cell is None:
            return None
        match header.msg_type:
            case "status":
                return self._status(parent.msg_id, cell, message, now_ms)
            case "execute_input":
                cell.status = "ok"
                self._number(cell, message)
            case "error":  # the reply says so too, but on another socket: it may be late
                cell.status = "error"
            case "input_request":
                cell.waits_for_input = True
        return None

    def interrupted(self) -> None:
        """No cell waits for input any more, whatever it does now."""
        for cell in self._cells.values():
            cell.waits_for_input = False

    def observe_use(self, memory_bytes: int, gpu_memory_bytes: int, gpu_utilisation: float) -> None:
        """Folds a sample of what the container uses into the peaks of every cell that runs."""
        for cell in self._cells.values():
            memory, gpu_memory, utilisation = cell.peaks
            cell.peaks = (
                max(memory, memory_bytes),
                max(gpu_memory, gpu_memory_bytes),
                max(utilisation, gpu_utilisation),
            )

    def end_all(self, now_ms: int, status: str) -> list[Cell]:
        """The kernel is gone: every cell ends now. Those that never began are forgotten."""
        ended = [
            self._ended(execute_id, cell, now_ms, status)
            for execute_id, cell in self._cells.items()
            if cell.started_ms is not None
        ]
        self._cells.clear()
        return ended

    def _request(self, execute_id: str, message: KernelMessage) -> None:
        content = _read(_content, message.content)
        if content is not None and content.store_history and not content.silent:
            metadata = _read(_metadata, message.metadata) or _Metadata()
            self._cells[execute_id] = _Running(metadata.farcell.number)

    def _number(self, cell: _Running, message: KernelMessage) -> None:
        content = _read(_content, message.content)
        if cell.number is None and content is not None:
            cell.number = content.execution_count

    def _status(self, execute_id: str, cell: _Running, message: KernelMessage, now_ms: int) -> Cell | None:
        content = _read(_content, message.content)
        if content is None:
            return None
        if content.execution_state == "busy" and cell.started_ms is None:
            cell.started_ms = now_ms
            return Cell(execute_id, cell.number, now_ms)
        if content.execution_state == "idle":
            del self._cells[execute_id]
            return self._ended(execute_id, cell, now_ms, cell.status)
        return None

    def _ended(self, execute_id: str, cell: _Running, now_ms: int, status: str) -> Cell:
        started_ms = now_ms if cell.started_ms is None else cell.started_ms
        return Cell(execute_id, cell.number, started_ms, now_ms, status, *cell.peaks)


def message_id(message: KernelMessage) -> str | None:
    """Any message's id, if it has one."""
    header = _read(_header, message.header)
    return header.msg_id or None if header is not None else None


def execute_request_id(message: KernelMessage) -> str | None:
    """The execute id of a request to run something; None for any other message."""
    return _id_of(message, "shell", "execute_request")


def input_reply_id(message: KernelMessage) -> str | None:
    """The id of an answer to a cell's question; None for any other message."""
    return _id_of(message, "stdin", "input_reply")


def _id_of(message: KernelMessage, channel: str, msg_type: str) -> str | None:
    """None also where it has no id: such messages are all different."""
    header = _read(_header, message.header) if message.channel == channel else None
    return header.msg_id or None if header is not None and header.msg_type == msg_type else None


def _read(decoder: msgspec.json.Decoder[T], data: bytes) -> T | None:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
