"""From the kernel into the journal, and from there to the gateway, as fast as it takes it."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path
from typing import Protocol

from ..errors import BadRequest, TooLarge
from ..journal import Compactor, JournalReader, JournalWriter, Kind, Record
from ..wire import Kind as FrameKind
from ..wire import Message, Priority, numbered
from ..wire.numbered import BROADCAST, NUDGE, OWN_CLIENTS

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """The link to the gateway."""

    @property
    def writable(self) -> bool: ...

    def send(self, message: Message) -> None: ...


class Outlet:
    """Every message is in the journal before it is sent on.

    Where the link has no room, the rest is read from there later: a slow or absent gateway costs disk, not memory, and
    the kernel never waits for it.
    """

    def __init__(self, folder: Path, sink: Sink) -> None:
        self._compactor = Compactor(folder)
        self._compaction: subprocess.Popen[bytes] | None = None
        self._writer = JournalWriter(folder, rotated=self.compact)
        self._reader = JournalReader(folder)
        self._folder = folder
        self._sink = sink
        self._previous = 0
        self._sent = 0
        self._behind = False
        self._accepted: set[str] = set()
        self._full = False

    def put(self, client: int, message: bytes) -> None:
        """A packed kernel message for a client (0: for all)."""
        position = self._record(Kind.MESSAGE, message, client)
        if self._sink.writable and not self._behind:
            self._send(client, position, message)
        elif position:
            self._behind = True
        else:
            _log.error("a message of %d bytes is lost: neither disk nor link takes it", len(message))

    def accept(self, execute_id: str, client: int) -> bool:
        """Notes that a cell is taken; False when it was before: then it is not run again, and its output is there."""
        if execute_id in self._accepted:
            return False
        self._accepted.add(execute_id)
        self._record(Kind.ACCEPTED, execute_id.encode(), client)
        return True

    def flush(self) -> None:
        """Sends on what waits in the journal, as far as there is room; to be called whenever there is some again."""
        if not self._behind:
            return
        for record in self._reader.read(self._sent):
            if not self._sink.writable:
                return
            self._send_record(record)
        self._behind = False

    # --- room on the disk ---

    def set_limit(self, journal_bytes: int) -> None:
        """What the journal may take exactly; beyond, its oldest part is compacted."""
        self._compactor = Compactor(self._folder, journal_bytes)

    def compact(self) -> None:
        """Starts compaction where it is due, as a process of its own; returns at once."""
        if not self.compacting and self._compactor.is_due():
            self._compaction = subprocess.Popen(self._compactor.command(), stdin=subprocess.DEVNULL)

    @property
    def compacting(self) -> bool:
        return self._compaction is not None and self._compaction.poll() is None

    @property
    def overfull(self) -> bool:
        """Whether compaction is so far behind that the kernel should wait for it."""
        return self.compacting and self._compactor.behind()

    # --- the gateway ---

    def begin_anew(self) -> None:
        """The gateway is a new process: what it has not got, its clients read in the journal, and are told to.

        That goes ahead of what waits, and has room also where that fills the link: nobody minds what comes twice.
        """
        self._behind = False
        self._sent = self._previous = self._writer.position
        self._nudge()

    def close(self) -> None:
        """The journal is whole without the end of a compaction that runs."""
        if self._compaction is not None:
            self._compaction.kill()
            self._compaction.wait()
        self._writer.close()

    def _send_record(self, record: Record) -> None:
        """Where compaction was faster than the link, our own clients read its note in the journal."""
        if record.kind is Kind.MESSAGE:
            self._send(record.client, record.position, record.body)
            return
        self._sent = record.position
        if record.kind is Kind.LEFT_OUT:
            self._previous = record.position

    def _send(self, client: int, position: int, message: bytes | memoryview) -> None:
        body = numbered.pack(self._previous, position, message)
        taken = self._put_on_link(Message(FrameKind.KERNEL, client, body, Priority.NORMAL))
        self._sent = max(self._sent, position)
        if client in (BROADCAST, OWN_CLIENTS) and position:
            self._previous = position
            if not taken:
                self._nudge()

    def _put_on_link(self, message: Message) -> bool:
        """False for what no link takes: our own clients read it in the journal, and are told to."""
        try:
            self._sink.send(message)
        except TooLarge as error:
            _log.error("%s: it is in the journal alone", error)
            return False
        return True

    def _nudge(self) -> None:
        nudge = numbered.pack(self._previous, NUDGE, b"")
        self._sink.send(Message(FrameKind.KERNEL, OWN_CLIENTS, nudge, Priority.HIGH))

    def _record(self, kind: Kind, body: bytes, client: int) -> int:
        """0 where the disk takes nothing, or nothing so long: then it is only sent on, and the log says so, once."""
        try:
            position = self._writer.append(kind, body, client)
        except (OSError, BadRequest) as error:
            if not self._full:
                _log.error("the journal can't be written: %s", error)
            self._full = True
            return 0
        self._full = False
        return position
