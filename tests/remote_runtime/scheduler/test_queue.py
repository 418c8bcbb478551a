from farcell.remote_runtime.api import Request, SessionId
from farcell.remote_runtime.scheduler.queue import Queue, Waiting, before

SHARE_S = 600.0


def joined(*joins: tuple[str, str, float, int, float]) -> Queue:
    """A queue that sessions joined: id, owner, time, what the owner held then; in this order."""
    queue = Queue(SHARE_S)
    for session_id, owner, request, held, now in joins:
        queue.join(Waiting(SessionId(session_id), owner, Request.parse(request)), held, now)
    return queue


def line(queue: Queue) -> list[str]:
    return [waiting.session_id for waiting in queue.line()]


def test_equal_users_stand_by_time():
    assert line(joined(("b", "bob", "H100", 0, 1), ("a", "ann", "H100", 0, 2))) == ["b", "a"]


def test_equal_times_stand_by_arrival():
    assert line(joined(("b", "bob", "H100", 0, 1), ("a", "ann", "H100", 0, 1))) == ["b", "a"]


def test_who_holds_nothing_passes_who_holds_something():
    assert line(joined(("b", "bob", "H100", 1, 0), ("a", "ann", "H100", 0, 599))) == ["a", "b"]


def test_nobody_passes_who_came_more_than_a_share_later():
    assert line(joined(("b", "bob", "H100", 1, 0), ("a", "ann", "H100", 0, 601))) == ["b", "a"]


def test_who_waits_for_many_lets_others_between():
    queue = joined(
        ("b1", "bob", "H100", 0, 0),
        ("b2", "bob", "H100", 0, 0),
        ("b3", "bob", "H100", 0, 0),
        ("a", "ann", "H100", 0, 700),
    )
    assert line(queue) == ["b1", "b2", "a", "b3"]


def test_two_gpus_weigh_twice_as_much_as_one():
    queue = joined(("b1", "bob", "H100:2", 0, 0), ("b2", "bob", "H100", 0, 0), ("a", "ann", "H100", 0, 1_100))
    assert line(queue) == ["b1", "a", "b2"]


def test_a_session_never_passes_an_earlier_one_of_its_owner():
    queue = joined(("b1", "bob", "H100", 8, 0), ("b2", "bob", "H100", 0, 1))
    assert line(queue) == ["b1", "b2"]


def test_joining_twice_keeps_the_first_turn_and_request():
    queue = joined(("b", "bob", "H100", 0, 0), ("a", "ann", "H100", 0, 1), ("b", "bob", "T4", 0, 2))
    assert line(queue) == ["b", "a"]
    assert queue.line()[0].request == Request.parse("H100")


def test_who_leaves_and_joins_again_starts_anew():
    queue = joined(("b", "bob", "H100", 0, 0), ("a", "ann", "H100", 0, 1))
    queue.leave(SessionId("b"))
    assert SessionId("b") not in queue
    queue.join(Waiting(SessionId("b"), "bob", Request.parse("H100")), 0, 2)
    assert line(queue) == ["a", "b"]


def test_leaving_unknown_is_silent():
    joined().leave(SessionId("nobody"))


def test_before_are_all_that_stand_ahead():
    queue = joined(("a", "ann", "H100", 0, 0), ("b", "bob", "H100", 0, 1), ("c", "cat", "H100", 0, 2))
    assert [waiting.session_id for waiting in before(queue.line(), SessionId("c"))] == ["a", "b"]
    assert before(queue.line(), SessionId("a")) == []
