"""A cell of the Farcell kernel whose link breaks while it is interrupted."""

from __future__ import annotations

import asyncio

import pytest

from farcell.kernel.far_kernel import far_cell
from farcell.kernel.far_kernel.far_cell import FarCell
from farcell.kernel.far_kernel.front_end import FrontEnd
from farcell.kernel.far_kernel.messages import Request
from farcell.remote_runtime.client.cell import LinkDown, LinkUp
from farcell.remote_runtime.wire.messages import KernelMessage, decode


class Sockets:
    """Keeps what would go out."""

    def __init__(self) -> None:
        self.sent: list[list[bytes]] = []

    def send(self, _channel: str, parts: list[bytes]) -> None:
        self.sent.append(parts)


async def test_a_link_that_comes_back_leaves_an_interrupted_cell_its_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(far_cell, "INTERRUPT_PATIENCE_S", 0.1)
    sockets, over = Sockets(), asyncio.Event()
    front_end = FrontEnd(sockets, lambda _: b"", str.encode, "session")
    message = KernelMessage("shell", b'{"msg_id": "one"}')
    cell = FarCell(
        Request(message, (b"me",), "one", "execute_request", None, ()), front_end, lambda _: over.set()
    )
    cell.interrupted()
    cell.put(LinkDown())
    cell.put(LinkUp())
    async with asyncio.timeout(30):
        await over.wait()
    assert cell.failed
    told = [decode(part) for parts in sockets.sent for part in parts if b"evalue" in part]
    assert {content["evalue"] for content in told} == {far_cell.INSIDE_NATIVE_CODE}
