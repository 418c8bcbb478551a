"""Bodies without an end, taken apart as they come: the gateway's events, and journals; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..api.json_form import decode
from ..journal.format import Record, scan, size_of_first


class EventParser:
    """Fed with pieces of the stream as they come; calls `heard(kind, body)` for each whole event."""

    def __init__(self, heard: Callable[[str, Any], None]) -> None:
        self._heard = heard
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n\n")
        for block in whole:
            fields = dict(_field(line) for line in block.decode("utf-8").splitlines())
            if "event" in fields:
                self._heard(fields["event"], decode(fields.get("data", "null")))


def _field(line: str) -> tuple[str, str]:
    """A comment, which begins with a colon, is a field without a name."""
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")


class RecordParser:
    """Fed with pieces of a journal; `records` are those that are whole so far."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._pieces: list[bytes] = []
        self._size = self._wanted = 0

    def feed(self, data: bytes) -> None:
        """Pieces of a long record are joined once, when all are there."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= self._wanted:
            self._read(b"".join(self._pieces))

    def _read(self, data: bytes) -> None:
        read = 0
        for record, end in scan(data, 0):
            self.records.append(record)
            read = end
        self._pieces = [data[read:]]
        self._size = len(data) - read
        self._wanted = size_of_first(self._pieces[0])
