"""What clients send again is known, as far back as is remembered."""

from __future__ import annotations

from farcell.remote_runtime.agent.heard import Heard


def test_a_message_is_new_once():
    heard = Heard()
    assert [heard.is_new(msg_id) for msg_id in ("a", "b", "a", "b", "c")] == [True, True, False, False, True]


def test_what_has_no_id_is_always_new():
    heard = Heard()
    assert all(heard.is_new(msg_id) for msg_id in (None, None, "", ""))


def test_the_oldest_are_forgotten():
    heard = Heard(remembered=2)
    for msg_id in "abc":
        heard.is_new(msg_id)
    assert [heard.is_new(msg_id) for msg_id in "cba"] == [False, False, True]
