"""Which cells were taken and have no reply."""

from __future__ import annotations

import pytest

from farcell.remote_runtime.journal import Kind, Record, UnfinishedCells

from .samples import accepted, display, error, message, numbered, reply, stream


def unfinished(records: list[Record]) -> list[str]:
    cells = UnfinishedCells()
    for record in records:
        cells.feed(record)
    return list(cells)


def test_a_cell_is_taken_then_answered():
    taken = [accepted("a"), accepted("b"), stream("a", "text")]
    assert unfinished(numbered(taken)) == ["a", "b"]
    assert unfinished(numbered([*taken, reply("a")])) == ["b"]


@pytest.mark.parametrize(
    "body",
    [
        stream("a", "x"),
        display("a", "x"),
        error("a"),
        message("execute_reply", "a", {}, "control"),
        message("inspect_reply", "a", {}, "shell"),
        (Kind.MESSAGE, b"no message"),
        (Kind.LEFT_OUT, b"{}"),
    ],
)
def test_nothing_else_is_a_reply(body):
    assert unfinished(numbered([accepted("a"), body])) == ["a"]


def test_a_reply_to_what_was_taken_before_is_nothing():
    assert unfinished(numbered([reply("a")], first=9)) == []


def test_views_are_fed_as_readers_give_them():
    records = numbered([accepted("a"), reply("a"), accepted("b")])
    assert unfinished([Record(r.position, r.kind, memoryview(r.body), r.client) for r in records]) == ["b"]
