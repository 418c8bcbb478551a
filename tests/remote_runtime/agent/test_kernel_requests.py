"""What the agent itself asks a kernel, played here."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from far_messages import stream
from patience import until

from farcell.remote_runtime.agent.kernel_requests import KernelRequests
from farcell.remote_runtime.wire.messages import KernelMessage


class Kernel:
    """Notes what it is asked, and answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[KernelMessage] = []
        self.requests = KernelRequests(self.asked.append)

    @property
    def types(self) -> list[str]:
        return [json.loads(message.header)["msg_type"] for message in self.asked]

    def answer(self, content: dict[str, Any], request: int = -1, channel: str = "shell") -> bool:
        body = json.dumps(content).encode()
        return self.requests.received(
            KernelMessage(channel, b"{}", self.asked[request].header, b"{}", body, ())
        )


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


async def test_a_kernel_is_ready_when_it_answers_and_is_heard(kernel):
    ready = asyncio.create_task(kernel.requests.ready())
    await until(lambda: kernel.asked)
    assert kernel.answer({"execution_state": "busy"}, channel="iopub")
    assert not ready.done()
    assert kernel.answer({"implementation": "ipython"})
    assert (await ready)["implementation"] == "ipython"
    assert kernel.types == ["kernel_info_request"]


async def test_a_kernel_that_answers_unheard_is_asked_again(kernel):
    """Its IOPub socket is not connected yet: what it sends there would be missed."""
    ready = asyncio.create_task(kernel.requests.ready())
    await until(lambda: kernel.asked)
    kernel.answer({"try": 1})
    await until(lambda: len(kernel.asked) == 2)
    kernel.answer({}, channel="iopub")
    kernel.answer({"try": 2})
    assert (await ready)["try"] == 2


async def test_variables_are_names(kernel):
    names = asyncio.create_task(kernel.requests.variables())
    await until(lambda: kernel.asked)
    kernel.answer({"variables": [{"name": "x", "type": "int"}, {"name": "model", "type": "Net"}]})
    assert await names == ("x", "model")


async def test_replies_find_their_requests_in_any_order(kernel):
    first = asyncio.create_task(kernel.requests.variables())
    second = asyncio.create_task(kernel.requests.variables())
    await until(lambda: len(kernel.asked) == 2)
    kernel.answer({"variables": [{"name": "second"}]}, request=1)
    kernel.answer({"variables": [{"name": "first"}]}, request=0)
    assert (await first, await second) == (("first",), ("second",))


async def test_a_reply_that_nobody_waits_for_any_more_is_still_the_agents(kernel):
    asked = asyncio.create_task(kernel.requests.variables())
    await until(lambda: kernel.asked)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert kernel.answer({"variables": []})


async def test_what_belongs_to_a_client_is_not_the_agents(kernel):
    assert not kernel.requests.received(stream("a", "x"))
