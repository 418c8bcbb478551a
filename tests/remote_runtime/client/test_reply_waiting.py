"""Replies that somebody waits for here are kept away from who takes what belongs to no cell."""

from __future__ import annotations

import asyncio

import pytest
from far_messages import about, header, status

from farcell.remote_runtime.api import SessionKey
from farcell.remote_runtime.client.requests import Requests
from farcell.remote_runtime.errors import SessionNotFound
from farcell.remote_runtime.wire.messages import KernelMessage, decode, encode

KEY = SessionKey("machine", "a.ipynb", "h100")


def request(msg_id: str) -> KernelMessage:
    return encode("shell", header("complete_request", msg_id))


def received(requests: Requests, message: KernelMessage) -> bool:
    return requests.received(message, decode(message.parent_header))


async def test_a_reply_reaches_who_waits_for_it():
    requests = Requests()
    reply = requests.reply_to(request("a"), KEY)
    message = about("a", "complete_reply", {"status": "ok"}, "shell")
    assert received(requests, message)
    assert await reply is message


async def test_statuses_are_nobodys_before_and_after_the_reply():
    requests = Requests()
    requests.reply_to(request("a"), KEY)
    assert received(requests, status("a", "busy"))
    assert received(requests, about("a", "complete_reply", channel="shell"))
    assert received(requests, status("a", "idle"))


async def test_what_was_not_asked_here_is_for_others():
    requests = Requests()
    requests.reply_to(request("a"), KEY)
    assert not received(requests, status("b", "idle"))
    assert not received(requests, status(None, "restarting"))


async def test_a_reply_that_comes_too_late_is_nobodys():
    requests = Requests()
    reply = asyncio.ensure_future(requests.reply_to(request("a"), KEY))
    reply.cancel()
    assert received(requests, about("a", "complete_reply", channel="shell"))
    with pytest.raises(asyncio.CancelledError):
        await reply


async def test_a_kernel_that_was_replaced_answers_none_of_its_requests():
    requests = Requests()
    lost = asyncio.ensure_future(requests.reply_to(request("a"), KEY))
    other = requests.reply_to(request("b"), SessionKey("machine", "a.ipynb", "t4"))
    requests.lost(KEY)
    with pytest.raises(SessionNotFound, match="the kernel of session h100 was replaced before it answered"):
        await lost
    message = about("b", "complete_reply", channel="shell")
    assert received(requests, message)
    assert await other is message
