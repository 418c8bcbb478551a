"""The blocking face: one loop in a thread of its own, for calls from any other."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator

import pytest
from far_messages import header
from tellings import session

from farcell.remote_runtime.api import SessionSpec
from farcell.remote_runtime.client import blocking
from farcell.remote_runtime.client.cell import CellRun, CellSource, Ended, InputRequest
from farcell.remote_runtime.errors import Conflict, GatewayUnreachable

TOLD = session()
SPEC = SessionSpec(TOLD.key, TOLD.request)


class PlayedCore:
    """Plays `Core`: one cell at a time, which ends when it is interrupted or answered."""

    def __init__(self, *_: object, **_options: object) -> None:
        self.gateway = self
        self.waits = asyncio.Event()
        self.cancelled = threading.Event()
        self.closed = 0
        self.ended: dict[str, asyncio.Event] = {}

    async def offers(self) -> list[str]:
        return ["T4"]

    async def sessions(self) -> list[str]:
        raise Conflict("no")

    async def bill(self) -> None:
        """Interrupts its own caller, as a stop button does, and never ends."""
        main = threading.main_thread().ident
        assert main is not None
        asyncio.get_running_loop().call_later(0.05, signal.pthread_kill, main, signal.SIGINT)
        try:
            await self.waits.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def run_cell(self, cell: CellRun, _spec: SessionSpec, *, take: bool) -> None:
        ended = self.ended[cell.source.execute_id] = asyncio.Event()
        cell.put(InputRequest("? ", password=False, header={"msg_id": "q"}))
        await ended.wait()
        cell.put(Ended({"status": "ok"}, None, TOLD, 0.0))

    async def interrupt_cell(self, cell: CellRun) -> None:
        self.ended[cell.source.execute_id].set()
        raise GatewayUnreachable("nobody there")

    def answer(self, cell: CellRun, _message: object) -> None:
        self.ended[cell.source.execute_id].set()

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[blocking.Client]:
    monkeypatch.setattr(blocking, "Core", PlayedCore)
    made = blocking.Client()
    yield made
    made.close()


def test_a_call_gives_what_its_coroutine_gives(client):
    assert client.offers() == ["T4"]


def test_a_call_raises_what_its_coroutine_raises(client):
    with pytest.raises(Conflict):
        client.sessions()


def test_calls_may_come_from_any_thread(client):
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.extend(client.offers())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["T4"] * 5


def test_a_keyboard_interrupt_cancels_what_is_under_way(client):
    with pytest.raises(KeyboardInterrupt):
        client.bill()
    assert client._core.cancelled.wait(60)
    assert client.offers() == ["T4"]


def run(client: blocking.Client) -> tuple[CellRun, InputRequest]:
    cell = client.run_cell(CellSource("1", header("execute_request", "a")), SPEC)
    asked = cell.next(60)
    assert isinstance(asked, InputRequest)
    return cell, asked


def test_a_cell_runs_while_its_notebook_does_something_else(client):
    cell, asked = run(client)
    assert client.offers() == ["T4"]
    cell.answer(asked, "42")
    assert isinstance(cell.next(60), Ended)


def test_an_interrupt_that_does_not_arrive_is_logged(client, caplog):
    cell, _ = run(client)
    cell.interrupt()
    assert isinstance(cell.next(60), Ended)
    client.offers()
    assert "an interrupt did not reach session h100: nobody there" in caplog.text


def test_closing_ends_the_thread_and_may_be_done_twice(monkeypatch):
    monkeypatch.setattr(blocking, "Core", PlayedCore)
    client = blocking.Client()
    client.close()
    client.close()
    assert client._core.closed == 1
    assert not client._thread.is_alive()
