"""What a client that comes back is given."""

from __future__ import annotations

from farcell.remote_runtime.journal import Record, Replayed, replay
from farcell.remote_runtime.journal.left_out import LeftOut, StreamText, What
from farcell.remote_runtime.wire import messages

from .samples import accepted, numbered, question, reply, status, stream


def positions(replayed) -> list[int]:
    return [found.position for found in replayed]


def test_messages_come_as_they_were_and_nothing_else():
    records = numbered([accepted("a"), stream("a", "x"), stream("a", "y")])
    assert list(replay(records)) == [Replayed(2, 0, records[1].body), Replayed(3, 0, records[2].body)]


def test_only_what_comes_after_is_given():
    assert positions(replay(numbered([stream("a", "x")] * 5), after=3)) == [4, 5]


def test_replies_are_given_to_whom_they_were_for():
    mine, other = numbered([reply("a")], 2, client=7), numbered([reply("b")], 3, client=8)
    records = [*numbered([stream("a", "x")]), *mine, *other]
    assert positions(replay(records, clients=[7])) == [1, 2]
    assert positions(replay(records)) == [1]


def test_a_question_that_waits_comes_last():
    records = numbered([stream("a", "x"), question("a"), stream("b", "x"), accepted("c")])
    assert positions(replay(records)) == [1, 3, 2]


def test_a_question_of_a_cell_that_has_ended_is_not_asked_again():
    records = numbered([question("a"), status("a", "idle"), question("b"), reply("b"), question("c")])
    assert positions(replay(records)) == [2, 4, 5]


def test_a_question_is_asked_though_output_of_its_cell_came_after_it():
    records = numbered([question("a"), status("a", "busy"), stream("a", "printed before it")])
    assert positions(replay(records)) == [2, 3, 1]


def test_the_second_question_of_a_cell_takes_the_place_of_the_first():
    assert positions(replay(numbered([question("a"), question("a")]))) == [2]


def test_notes_are_rendered_in_their_place():
    note = LeftOut(What.STREAM, 5, 50, {"msg_id": "a"}, tail=StreamText("stdout", "end"))
    records: list[Record] = [*numbered([stream("a", "x")]), note.record(2), *numbered([stream("a", "y")], 3)]
    found = list(replay(records))
    assert positions(found) == [1, 2, 2, 3]
    kinds = [messages.header_of(messages.unpack(each.message))["msg_type"] for each in found]
    assert kinds == ["stream", "display_data", "stream", "stream"]
