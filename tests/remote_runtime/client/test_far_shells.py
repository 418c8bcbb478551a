"""Which shell of a far kernel takes what is no cell, beside a played kernel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from far_messages import header
from patience import until
from tellings import session

from farcell.remote_runtime.api import Session, SessionKey
from farcell.remote_runtime.client.far_shells import FarShells
from farcell.remote_runtime.wire.messages import KernelMessage, decode, encode, header_of

KEY = session().key


class PlayedKernels:
    """One kernel that answers on its control channel, as soon as it is `awake`."""

    def __init__(self) -> None:
        self.is_busy = self.is_attached = True
        self.features = ["kernel subshells"]
        self.awake = asyncio.Event()
        self.awake.set()
        self.asked: list[KernelMessage] = []
        self.made = 0

    def attached(self, key: SessionKey) -> Session | None:
        return session() if self.is_attached else None

    def busy(self, key: SessionKey) -> bool:
        return self.is_busy

    def ask(self, key: SessionKey, message: KernelMessage) -> None:
        self.asked.append(message)

    async def request(self, key: SessionKey, message: KernelMessage) -> KernelMessage:
        self.asked.append(message)
        await self.awake.wait()
        kind = header_of(message)["msg_type"].removesuffix("_request")
        content: dict[str, object] = {"status": "ok"}
        if kind == "kernel_info":
            content["supported_features"] = self.features
        elif kind == "create_subshell":
            self.made += 1
            content["subshell_id"] = f"far-{self.made}"
        return encode(message.channel, header(f"{kind}_reply"), content=content)

    def sent(self, channel: str = "shell") -> list[tuple[str, str | None]]:
        """Message ids and subshells, in their order."""
        headers = [header_of(message) for message in self.asked if message.channel == channel]
        return [(one["msg_id"], one.get("subshell_id")) for one in headers]

    def kinds(self) -> list[str]:
        return [header_of(m)["msg_type"] for m in self.asked if m.channel == "control"]


@pytest.fixture
def kernels() -> PlayedKernels:
    return PlayedKernels()


@pytest.fixture
async def shells(kernels: PlayedKernels) -> AsyncIterator[FarShells]:
    made = FarShells(kernels)
    yield made
    await made.close()


def message(msg_id: str, subshell: str | None = None) -> KernelMessage:
    return encode("shell", header("comm_msg", msg_id) | ({"subshell_id": subshell} if subshell else {}))


async def test_an_idle_kernel_takes_all_on_its_main_shell(shells, kernels):
    kernels.is_busy = False
    await shells.send(KEY, message("a", "local"), "local")
    assert kernels.sent() == [("a", None)]
    assert kernels.kinds() == []


async def test_beside_a_cell_each_lane_has_a_subshell_of_its_own(shells, kernels):
    for msg_id, lane in (("a", "one"), ("b", None), ("c", "one"), ("d", "two")):
        await shells.send(KEY, message(msg_id, lane), lane)
    assert kernels.sent() == [("a", "far-1"), ("b", "far-2"), ("c", "far-1"), ("d", "far-3")]


async def test_a_kernel_without_subshells_takes_all_on_its_main_shell(shells, kernels):
    kernels.features = []
    await shells.send(KEY, message("a", "local"), "local")
    await shells.send(KEY, message("b", "local"), "local")
    assert kernels.sent() == [("a", None), ("b", None)]
    assert kernels.kinds() == ["kernel_info_request"]


async def test_what_comes_while_a_subshell_is_made_waits_in_its_order(shells, kernels):
    kernels.awake.clear()
    sends = [asyncio.create_task(shells.send(KEY, message(one), None)) for one in "abc"]
    await until(kernels.kinds)
    kernels.is_busy = False
    assert kernels.sent() == []
    kernels.awake.set()
    await asyncio.gather(*sends)
    assert [msg_id for msg_id, _ in kernels.sent()] == ["a", "b", "c"]


async def test_who_gives_up_waiting_leaves_the_subshell_to_the_next(shells, kernels):
    kernels.awake.clear()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(shells.request(KEY, message("a"), None), 0.01)
    kernels.awake.set()
    await shells.request(KEY, message("b"), None)
    assert kernels.sent() == [("b", "far-1")]
    assert kernels.made == 1


async def test_a_lanes_end_deletes_its_subshell(shells, kernels):
    await shells.send(KEY, message("a"), "one")
    await shells.send(KEY, message("b"), "two")
    shells.delete("one")
    shells.delete("nobody's")
    deleted = [m for m in kernels.asked if header_of(m)["msg_type"] == "delete_subshell_request"]
    assert [decode(one.content) for one in deleted] == [{"subshell_id": "far-1"}]


async def test_a_new_kernel_gets_new_subshells(shells, kernels):
    await shells.send(KEY, message("a"), None)
    shells.forget(KEY)
    await shells.send(KEY, message("b"), None)
    assert kernels.sent() == [("a", "far-1"), ("b", "far-2")]
    assert "delete_subshell_request" not in kernels.kinds()


async def test_the_end_deletes_all_that_were_made(shells, kernels):
    await shells.send(KEY, message("a"), "one")
    await shells.send(KEY, message("b"), "two")
    await shells.close()
    assert kernels.kinds().count("delete_subshell_request") == 2


async def test_where_no_kernel_is_attached_none_is_asked_for_a_subshell(shells, kernels):
    kernels.is_attached = False
    await shells.send(KEY, message("a"), "one")
    assert kernels.kinds() == []
