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


def replay(records: Iterable[Record], after: int = 0, clients: Collection[int] = ()) -> Iterator[Replayed]:
    """What was for everyone and for these client numbers, in order; notes as messages that say what is missing.

    A question for input comes last, and only if its cell has neither asked another nor ended since. Output after it
    tells nothing: questions come over a socket of their own, and may be here before what was printed before them.
    Several messages may have one position.
    """
    wanted = {EVERYONE, *clients}
    questions: dict[str | None, Replayed] = {}
    for record in records:
        if record.position <= after or record.client not in wanted:
            continue
        for found in _messages(record):
            if questions:
                questions.pop(ended_by(found.message), None)
            if _is_question(found.message):
                questions[cell_of(found.message)] = found
            else:
                yield found
    yield from questions.values()


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
