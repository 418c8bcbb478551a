"""Which requests were taken, and where their replies are."""

from __future__ import annotations

import pytest

from farcell.remote_runtime.journal import ExecuteTable, Execution, Kind, Record

from .samples import accepted, display, error, message, numbered, reply, stream


def test_an_unknown_request_was_never_taken():
    assert ExecuteTable().get("a") is None


def test_a_request_is_taken_then_answered():
    table = ExecuteTable(numbered([accepted("a"), accepted("b"), stream("a", "text")]))
    assert table.get("a") == Execution(1)
    assert table.unfinished() == ["a", "b"]
    (replied,) = numbered([reply("a")], first=4)
    table.feed(replied)
    assert table.get("a") == Execution(1, 4)
    assert table.get("b") == Execution(2)
    assert table.unfinished() == ["b"]


def test_feeding_twice_changes_nothing():
    records = numbered([accepted("a"), reply("a"), accepted("b")])
    table = ExecuteTable([*records, *records])
    assert table.get("a") == Execution(1, 2)
    assert table.unfinished() == ["b"]


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
    table = ExecuteTable(numbered([accepted("a"), body]))
    assert table.unfinished() == ["a"]


def test_a_reply_whose_request_was_left_out_is_known():
    assert ExecuteTable(numbered([reply("a")], first=9)).get("a") == Execution(0, 9)


def test_views_are_fed_as_readers_give_them():
    records = numbered([accepted("a"), reply("a")])
    table = ExecuteTable(Record(r.position, r.kind, memoryview(r.body), r.client) for r in records)
    assert table.get("a") == Execution(1, 2)


def test_the_oldest_finished_are_forgotten_and_none_that_run():
    bodies = [body for number in range(10) for body in (accepted(f"{number}"), reply(f"{number}"))]
    table = ExecuteTable(numbered([accepted("runs"), *bodies]), max_finished=3)
    assert table.unfinished() == ["runs"]
    assert [number for number in range(10) if table.get(f"{number}")] == [7, 8, 9]
