"""What a client that comes back is given from a journal; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from ..errors import BadFrame
from ..wire import messages
from .entries import cell_of, ended_by
from .format import Bytes, Kind, Record
from .left_out import note_messages

EVERYONE = 0


class Replayed(NamedTuple):
    """A kernel message in the v1 layout, and where it stood."""

    position: int
    client: int
    message: Bytes


class Replay:
    """Fed with records in their order, gives what was for everyone and for these client numbers, in the same order.

    Notes of compaction come as messages that say what is missing. A question for input comes when it is asked for,
    after everything else, and only if its cell has neither asked another nor ended since. Output after it tells
    nothing: questions come over a socket of their own, and may be here before what was printed before them. Several
    messages may have one position.
    """

    def __init__(self, clients: Collection[int] = ()) -> None:
        self._wanted = {EVERYONE, *clients}
        self._questions: dict[str | None, Replayed] = {}

    def feed(self, record: Record) -> Iterator[Replayed]:
        if record.client not in self._wanted:
            return
        for found in _messages(record):
            if self._questions:
                self._questions.pop(ended_by(found.message), None)
            if _is_question(found.message):
                self._questions[cell_of(found.message)] = found
            else:
                yield found

    def questions(self) -> list[Replayed]:
        """Those that wait for an answer; each is given once."""
        waiting, self._questions = list(self._questions.values()), {}
        return waiting


def replay(records: Iterable[Record], after: int = 0, clients: Collection[int] = ()) -> Iterator[Replayed]:
    """Everything behind that position that a `Replay` gives."""
    told = Replay(clients)
    for record in records:
        if record.position > after:
            yield from told.feed(record)
    yield from told.questions()


def _messages(record: Record) -> Iterator[Replayed]:
    if record.kind is Kind.MESSAGE:
        yield Replayed(record.position, record.client, record.body)
    elif record.kind is Kind.LEFT_OUT:
        for message in note_messages(record):
            yield Replayed(record.position, record.client, messages.pack(message))


def _is_question(message: Bytes) -> bool:
    try:
        return messages.check(message) == "stdin"
    except BadFrame:
        return False
