"""The way to a session's kernel over connections that break: what is read again, sent again, dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from far_messages import (
    PlayedCell,
    about,
    accepted,
    question,
    record,
    reply,
    restarting,
    status,
    stream,
)
from patience import DEADLINE_S, until
from tellings import ended_lease, lease, session
from tornado.websocket import WebSocketClosedError

from farcell.remote_runtime.api import (
    EndReason,
    Request,
    Session,
    SessionSettings,
    SessionSpec,
    SessionState,
    Walls,
)
from farcell.remote_runtime.client import cell as cell_module
from farcell.remote_runtime.client.cell import Began, InputRequest, LinkDown, LinkUp
from farcell.remote_runtime.client.channels import Channels
from farcell.remote_runtime.client.inbox import Finished
from farcell.remote_runtime.client.output import Output
from farcell.remote_runtime.errors import (
    BadRequest,
    GatewayUnreachable,
    OutcomeUnknown,
    SessionNotFound,
    TakenOver,
)
from farcell.remote_runtime.journal import Record
from farcell.remote_runtime.wire import messages, numbered
from farcell.remote_runtime.wire.messages import KernelMessage
from farcell.remote_runtime.wire.numbered import NUDGE, TAKEN_OVER

PIECE = 2
"""So many records of a journal come at a time."""


class PlayedConnection:
    """One WebSocket to the gateway; `feed` and `drop` play the gateway's side."""

    def __init__(self, way: PlayedWay) -> None:
        self._way = way
        self.sent: list[KernelMessage] = []
        self.closed = False
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self._incoming: asyncio.Queue[bytes | str | None] = asyncio.Queue()

    async def read_message(self) -> bytes | str | None:
        return await self._incoming.get()

    def write_message(self, data: bytes, *, binary: bool) -> asyncio.Future[None]:
        if self.closed:
            raise WebSocketClosedError
        self.sent.append(messages.unpack(data))
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        written.set_result(None)
        return written

    @property
    def is_read(self) -> bool:
        return self._incoming.empty()

    def close(self) -> None:
        self.closed = True
        self._incoming.put_nowait(None)

    def feed(self, message: KernelMessage, position: int, previous: int | None = None) -> None:
        """By default it follows right on what was before it; as an agent does, it is in the journal first."""
        before = position - 1 if previous is None else previous
        self._way.write(record(position, message))
        self._incoming.put_nowait(numbered.pack(before, position, messages.pack(message)))

    def nudge(self, previous: int) -> None:
        self._incoming.put_nowait(numbered.pack(previous, NUDGE, b""))

    def feed_garbage(self) -> None:
        self._incoming.put_nowait(b"short")

    def requested(self) -> list[str]:
        return [messages.header_of(message)["msg_id"] for message in self.sent if message.channel == "shell"]


class PlayedWay:
    """A gateway that can be away: then every call fails, until it is `there` again."""

    def __init__(self, told: Session) -> None:
        self.told = told
        self.there = True
        self.gone = False
        self.taken_by = ""
        self.records: list[Record] = []
        self.journal_failures = self.pieces_until_failure = 0
        self.journal_reads: list[int] = []
        self.may_start: bool | None = None
        self.connections: list[PlayedConnection] = []

    async def connect(self, session_id: str, *, take: bool) -> Any:
        self._check()
        if self.taken_by and not take:
            raise TakenOver("taken", by=self.taken_by)
        self.connections.append(PlayedConnection(self))
        return self.connections[-1]

    async def session(self, session_id: str, *, start: bool = True) -> Session:
        self.may_start = start
        self._check()
        return self.told

    async def journal(self, session_id: str, lease_id: str, after: int) -> list[Record]:
        self._check()
        self.pieces_until_failure -= 1
        if self.journal_failures or self.pieces_until_failure == 0:
            self.journal_failures = max(0, self.journal_failures - 1)
            raise GatewayUnreachable("not now")
        self.journal_reads.append(after)
        return [record for record in self.records if record.position > after][:PIECE]

    def write(self, new: Record) -> None:
        if new.position and all(known.position != new.position for known in self.records):
            self.records = sorted([*self.records, new])

    def _check(self) -> None:
        if self.gone:
            raise SessionNotFound("no such session")
        if not self.there:
            raise GatewayUnreachable("nobody there")


class World:
    """Channels that are read, over a played way."""

    def __init__(self, way: PlayedWay, channels: Channels) -> None:
        self.way = way
        self.channels = channels
        self.strays: list[str] = []

    @property
    def connection(self) -> PlayedConnection:
        return self.way.connections[-1]

    @asynccontextmanager
    async def running(self, execute_id: str = "a") -> AsyncIterator[tuple[PlayedCell, asyncio.Task[Any]]]:
        """A cell that was sent; its end is awaited here unless the test did."""
        cell = PlayedCell(execute_id)
        end = asyncio.create_task(self.channels.run(cell, None))
        await until(lambda: bool(self.channels._inbox))
        try:
            yield cell, end
        finally:
            end.cancel()
            await asyncio.gather(end, return_exceptions=True)

    async def finish(self, execute_id: str, end: asyncio.Task[Any], position: int) -> Finished | None:
        self.connection.feed(reply(execute_id), position)
        self.connection.feed(status(execute_id, "idle"), position + 1)
        return await self.result(end)

    async def result(self, end: asyncio.Task[Any]) -> Finished | None:
        async with asyncio.timeout(DEADLINE_S):
            finished: Finished | None = await end
            return finished

    async def break_link(self) -> None:
        """The connection breaks, and the next is there."""
        before = len(self.way.connections)
        self.connection.close()
        await until(lambda: len(self.way.connections) > before and self.is_back)

    @property
    def is_back(self) -> bool:
        return self.channels._connection is not None and self.channels._catching_up is None


@asynccontextmanager
async def opened(told: Session | None = None, before: Channels | None = None) -> AsyncIterator[World]:
    way = PlayedWay(told or session())
    strays: list[str] = []
    channels = await Channels.open(
        way.told, way, lambda message, *_: strays.append(messages.decode(message.content).get("text", ""))
    )
    if before is not None:
        channels.go_on_from(before)
    world = World(way, channels)
    world.strays = strays
    reading = asyncio.create_task(channels.read())
    try:
        yield world
    finally:
        channels.close()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with opened() as made:
        yield made


def texts(cell: PlayedCell) -> list[str]:
    return [event.content["text"] for event in cell.events() if isinstance(event, Output)]


# --- while the link lasts ---


async def test_a_cell_is_sent_and_ends_with_its_reply_and_its_idle(world):
    async with world.running() as (cell, end):
        assert world.connection.requested() == ["a"]
        world.connection.feed(status("a", "busy"), 1)
        world.connection.feed(stream("a", "one"), 2)
        finished = await world.finish("a", end, 3)
        assert finished is not None
        assert finished.reply["status"] == "ok"
        events = cell.events()
        assert isinstance(events[0], Began)
        assert [event.content["text"] for event in events[1:]] == ["one"]


async def test_a_message_that_came_before_is_dropped(world):
    async with world.running() as (cell, end):
        world.connection.feed(stream("a", "one"), 1)
        world.connection.feed(stream("a", "one"), 1)
        world.connection.feed(stream("a", "two"), 2)
        await world.finish("a", end, 3)
        assert texts(cell) == ["one", "two"]


async def test_messages_that_are_in_no_journal_are_all_taken(world):
    async with world.running() as (cell, end):
        world.connection.feed(stream("a", "one"), 1)
        world.connection.feed(stream("a", "two"), 0, previous=1)
        world.connection.feed(stream("a", "three"), 0, previous=1)
        await world.finish("a", end, 2)
        assert texts(cell) == ["one", "two", "three"]


async def test_a_gap_is_filled_from_the_journal_before_what_comes_after_it(world):
    world.way.records = [record(2, stream("a", "two")), record(3, stream("a", "three"))]
    async with world.running() as (cell, end):
        world.connection.feed(stream("a", "one"), 1)
        world.connection.feed(stream("a", "three"), 3)
        world.connection.feed(stream("a", "four"), 4)
        await world.finish("a", end, 5)
        assert texts(cell) == ["one", "two", "three", "four"]


async def test_a_nudge_makes_the_client_read_what_it_missed(world):
    world.way.records = [record(2, stream("a", "two"))]
    async with world.running() as (cell, end):
        world.connection.feed(stream("a", "one"), 1)
        world.connection.nudge(previous=2)
        await world.finish("a", end, 3)
        assert texts(cell) == ["one", "two"]


async def test_a_nudge_without_anything_missed_reads_nothing(world):
    async with world.running() as (_cell, end):
        world.connection.feed(stream("a", "one"), 1)
        world.connection.nudge(previous=1)
        await world.finish("a", end, 2)
        assert world.way.journal_reads == []


async def test_what_the_notebook_has_seen_does_not_come_again_over_new_channels():
    """After a gateway's restart the first nudge tells of everything in the journal, also what was shown long ago."""
    async with opened() as before:
        before.connection.feed(stream("old", "shown before"), 1, previous=0)
        await until(lambda: before.channels.position == 1)
        async with opened(before=before.channels) as world:
            world.way.records = [
                record(1, stream("old", "shown before")),
                record(2, stream("old", "came meanwhile")),
            ]
            async with world.running() as (_cell, end):
                world.connection.nudge(previous=2)
                await world.finish("a", end, 3)
            assert world.strays == ["came meanwhile"]


async def test_what_cannot_be_read_breaks_the_link_and_the_cell_goes_on(world):
    async with world.running() as (cell, end):
        world.connection.feed_garbage()
        await until(lambda: len(world.way.connections) == 2)
        await until(lambda: world.is_back)
        await world.finish("a", end, 1)
        assert [type(event) for event in cell.events()] == [LinkDown, LinkUp]


async def test_a_journal_that_cannot_be_read_now_is_read_over_the_next_link(world):
    world.way.records = [record(2, stream("a", "two"))]
    world.way.journal_failures = 1
    async with world.running() as (cell, end):
        world.connection.feed(stream("a", "one"), 1)
        world.connection.nudge(previous=2)
        await until(lambda: len(world.way.connections) == 2 and world.is_back)
        await world.finish("a", end, 3)
        assert texts(cell) == ["one", "two"]


# --- the link breaks ---


async def test_a_broken_link_is_made_again_and_told_of(world):
    async with world.running() as (cell, end):
        await world.break_link()
        await world.finish("a", end, 1)
        assert [type(event) for event in cell.events()] == [LinkDown, LinkUp]


async def test_what_came_while_the_link_was_broken_comes_once_and_in_order(world):
    async with world.running() as (cell, end):
        world.connection.feed(stream("a", "one"), 1)
        await until(lambda: world.channels.position == 1)
        world.way.records = [
            record(n, stream("a", text)) for n, text in enumerate(["one", "two", "three"], 1)
        ]
        await world.break_link()
        world.connection.feed(stream("a", "three"), 3)
        world.connection.feed(stream("a", "four"), 4)
        await world.finish("a", end, 5)
        assert texts(cell) == ["one", "two", "three", "four"]


async def test_a_cell_that_ended_while_the_link_was_broken_has_its_reply_from_the_journal(world):
    async with world.running() as (cell, end):
        world.way.records = [
            accepted(1, "a"),
            record(2, status("a", "busy")),
            record(3, stream("a", "done")),
            record(4, reply("a"), client=1),
            record(5, status("a", "idle")),
        ]
        await world.break_link()
        finished = await world.result(end)
        assert finished is not None
        assert texts(cell) == ["done"]
        assert world.connection.requested() == []


async def test_a_cell_of_which_nothing_was_heard_is_sent_again(world):
    async with world.running() as (_cell, end):
        await world.break_link()
        assert world.connection.requested() == ["a"]
        await world.finish("a", end, 1)


@pytest.mark.parametrize("code", [1007, 1009])
async def test_a_cell_that_the_gateway_will_not_take_is_not_sent_again(world, code):
    async with world.running() as (_cell, end):
        world.connection.close_code, world.connection.close_reason = code, "too much"
        world.connection.close()
        with pytest.raises(BadRequest, match="the gateway does not take this cell: too much"):
            await world.result(end)
    assert sum(len(connection.sent) for connection in world.way.connections) == 1


async def test_a_cell_that_was_heard_of_is_not_sent_again(world):
    async with world.running() as (_cell, end):
        world.connection.feed(status("a", "busy"), 1)
        await until(lambda: world.channels.position == 1)
        await world.break_link()
        assert world.connection.requested() == []
        await world.finish("a", end, 2)


async def test_a_queued_cell_that_the_agent_took_is_not_sent_again(world):
    async with world.running("a") as (_a, _), world.running("b") as (_b, _):
        world.way.records = [accepted(1, "a"), record(2, status("a", "busy")), accepted(3, "b")]
        world.connection.feed(status("a", "busy"), 2, previous=0)
        world.connection.feed(stream("a", "one"), 4, previous=2)
        await until(lambda: world.channels.position == 4)
        await world.break_link()
        assert world.connection.requested() == []


async def test_a_kernel_that_died_meanwhile_ends_the_cells_that_it_had(world):
    async with world.running("a") as (_, end):
        world.way.records = [accepted(1, "a"), record(2, restarting("exit code 3"))]
        await world.break_link()
        with pytest.raises(OutcomeUnknown, match="exit code 3"):
            await world.result(end)
        assert world.connection.requested() == []


async def test_a_kernel_that_died_before_the_cell_came_does_not_end_it(world):
    async with world.running("a") as (cell, end):
        world.way.records = [
            record(1, restarting("restarted")),
            accepted(2, "a"),
            record(3, status("a", "busy")),
            record(4, stream("a", "alive")),
        ]
        await world.break_link()
        assert await world.finish("a", end, 5) is not None
        assert texts(cell) == ["alive"]


async def test_a_gateway_that_is_away_for_long_is_asked_again_until_it_is_there(world):
    async with world.running() as (_cell, end):
        world.way.there = False
        world.connection.close()
        await until(lambda: world.channels._connection is None)
        world.way.there = True
        await until(lambda: world.is_back)
        assert await world.finish("a", end, 1) is not None


async def test_a_link_that_breaks_while_nobody_waits_is_not_made_again(world):
    world.connection.close()
    await until(world.channels.closed.is_set)
    assert len(world.way.connections) == 1


async def test_channels_that_stay_are_made_again_while_nobody_waits_and_start_no_gateway(world):
    world.channels.stay()
    world.way.there = False
    world.connection.close()
    await until(lambda: world.way.may_start is False)
    world.way.there = True
    await until(lambda: len(world.way.connections) == 2 and world.channels._connection is not None)
    world.connection.feed(stream("old", "late"), 1)
    await until(lambda: world.strays == ["late"])


async def test_new_channels_stay_as_those_did_whose_place_they_take(world):
    world.channels.stay()
    async with opened(before=world.channels) as after:
        await after.break_link()
        assert after.way.may_start is False


async def test_a_gateway_may_be_started_for_a_cell_that_waits(world):
    async with world.running():
        await world.break_link()
        assert world.way.may_start is True


async def test_a_cell_that_comes_when_all_is_over_ends_at_once(world):
    world.connection.close()
    await until(world.channels.closed.is_set)
    assert await world.channels.run(PlayedCell("a"), None) is None


# --- more than the notebook takes ---


async def test_what_a_notebook_has_not_taken_stays_in_the_journal_and_comes_in_order(world, monkeypatch):
    """Until it has, what comes live is dropped; the connection is read all the while."""
    monkeypatch.setattr(cell_module, "QUEUED_BYTES", 1000)
    expected = [f"{number:>100}" for number in range(200)]
    async with world.running() as (cell, end):
        for number, text in enumerate(expected, 1):
            world.connection.feed(stream("a", text), number)
        await until(lambda: world.channels._catching_up is not None and world.connection.is_read)
        told = [event.content["text"] for event in cell.events() if isinstance(event, Output)]
        assert 0 < len(told) < 20
        world.connection.feed(reply("a"), 201)
        world.connection.feed(status("a", "idle"), 202)
        while len(told) < len(expected):
            await until(lambda: cell._put_bytes > cell._taken_bytes)
            told += texts(cell)
        await world.result(end)
        assert told == expected


async def test_a_notebook_that_has_left_holds_nothing_up(world, monkeypatch):
    monkeypatch.setattr(cell_module, "QUEUED_BYTES", 1000)
    async with world.running() as (cell, end):
        for number in range(1, 101):
            world.connection.feed(stream("a", "x" * 100), number)
        await until(lambda: world.channels._catching_up is not None)
        cell.leave()
        assert await world.finish("a", end, 101) is not None


async def test_what_is_in_no_journal_comes_after_what_is_read_there(world):
    world.way.records = [record(n, stream("a", str(n))) for n in range(1, 6)]
    async with world.running() as (cell, end):
        world.connection.nudge(previous=5)
        world.connection.feed(stream("a", "unwritten"), 0, previous=5)
        await until(lambda: world.channels.position == 5 and world.is_back)
        await world.finish("a", end, 6)
        assert texts(cell) == ["1", "2", "3", "4", "5", "unwritten"]


async def test_a_journal_that_breaks_off_goes_on_where_it_was(world):
    """The question that was read before is asked, once, after everything else."""
    world.way.records = [record(1, question("a"), 1)] + [record(n, stream("a", str(n))) for n in range(2, 8)]
    async with world.running() as (cell, end):
        world.way.pieces_until_failure = 2
        world.connection.nudge(previous=7)
        await until(lambda: len(world.way.connections) == 2 and world.is_back)
        events = [event for event in cell.events() if isinstance(event, Output | InputRequest)]
        assert [event.content["text"] for event in events[:-1]] == [str(n) for n in range(2, 8)]
        assert isinstance(events[-1], InputRequest)
        await world.finish("a", end, 8)


# --- a kernel that is replaced ---


async def test_a_cell_that_crosses_the_kernels_end_on_its_way_is_not_ended(world):
    """The agent took it afterwards, for the next kernel: only the journal tells."""
    async with world.running() as (_, end):
        world.way.records = [record(1, restarting("exit code 3")), accepted(2, "a")]
        world.connection.feed(restarting("exit code 3"), 1)
        world.connection.feed(status("a", "busy"), 3)
        assert await world.finish("a", end, 4) is not None


async def test_a_cell_that_the_kernel_had_and_did_not_begin_is_ended(world):
    async with world.running() as (_, end):
        world.way.records = [accepted(1, "a"), record(2, restarting("exit code 3"))]
        world.connection.feed(restarting("exit code 3"), 2, previous=0)
        with pytest.raises(OutcomeUnknown, match=r"died \(exit code 3\) before this cell was seen to begin"):
            await world.result(end)


# --- another client takes the session over ---


async def test_a_cell_of_a_session_that_is_taken_over_ends_at_once_and_takes_nothing_back(world):
    async with world.running() as (_, end):
        world.connection.feed(status("a", "busy"), 1)
        await until(lambda: world.channels.position == 1)
        world.connection.close_code, world.connection.close_reason = TAKEN_OVER, "other.ipynb"
        world.connection.close()
        with pytest.raises(TakenOver, match=r"taken over by other\.ipynb: this cell goes on there"):
            await world.result(end)
    await until(world.channels.closed.is_set)
    assert len(world.way.connections) == 1


async def test_a_cell_of_a_session_that_was_taken_over_meanwhile_ends(world):
    async with world.running() as (_, end):
        world.way.taken_by = "other.ipynb"
        world.connection.close()
        with pytest.raises(TakenOver, match=r"other\.ipynb: this cell had not been seen to begin"):
            await world.result(end)
    await until(world.channels.closed.is_set)


async def test_what_was_shown_ends_before_a_cell_that_still_runs(world):
    world.connection.feed(stream("old", "x"), 1)
    await until(lambda: world.channels.position == 1)
    async with world.running() as (_, end):
        world.connection.feed(stream("a", "one"), 2)
        await until(lambda: world.channels.position == 2)
        assert world.channels.shown == 1
        await world.finish("a", end, 3)
    assert world.channels.shown == 4


# --- questions ---


async def test_an_answer_that_may_not_have_arrived_goes_out_again(world):
    async with world.running() as (_cell, end):
        world.connection.feed(question("a"), 1)
        await until(lambda: world.channels.position == 1)
        world.channels.answer("a", about("a", "input_reply", {"value": "42"}, "stdin"))
        await world.break_link()
        assert [message.channel for message in world.connection.sent] == ["stdin"]
        await world.finish("a", end, 2)


async def test_a_question_that_was_answered_meanwhile_is_not_asked_again(world):
    async with world.running() as (cell, end):
        world.way.records = [
            accepted(1, "a"),
            record(2, question("a", "first"), 1),
            record(3, stream("a", "x")),
            record(4, question("a", "second"), 1),
        ]
        await world.break_link()
        await world.finish("a", end, 5)
        asked = [event.prompt for event in cell.events() if isinstance(event, InputRequest)]
        assert asked == ["second"]


# --- the lease is over ---


async def test_a_lease_that_ended_ends_the_cell_with_what_it_had_put_out():
    async with opened() as world, world.running() as (cell, end):
        world.way.records = [accepted(1, "a"), record(2, stream("a", "last words"))]
        world.way.told = session(state=SessionState.STOPPED, lease=ended_lease(EndReason.LOST))
        world.connection.close()
        assert await world.result(end) is None
        assert texts(cell) == ["last words"]
        assert world.channels.closed.is_set()


async def test_another_lease_is_not_this_cells():
    async with opened() as world, world.running() as (_cell, end):
        world.way.told = session(lease=lease(id="lease2"))
        world.connection.close()
        assert await world.result(end) is None
        assert len(world.way.connections) == 1


async def test_a_session_that_is_gone_ends_the_cell():
    async with opened() as world, world.running() as (_cell, end):
        world.way.gone = True
        world.connection.close()
        assert await world.result(end) is None


async def test_a_cell_that_waits_in_the_queue_survives_a_broken_link():
    """Its session has had a container before, and is told with that old lease while it waits for the next."""
    queued = session(state=SessionState.QUEUED, lease=ended_lease(EndReason.IDLE, id="lease0"))
    async with opened(queued) as world, world.running() as (_cell, end):
        await world.break_link()
        assert world.connection.requested() == ["a"]
        world.way.told = session(lease=lease(id="lease1"))
        await world.break_link()
        assert world.channels.lease_id == "lease1"
        assert await world.finish("a", end, 1) is not None


async def test_channels_serve_what_asks_for_the_same(world):
    told = world.way.told
    assert world.channels.serve(SessionSpec(told.key, told.request, told.settings))
    assert not world.channels.serve(SessionSpec(told.key, Request.parse("T4"), told.settings))
    assert not world.channels.serve(SessionSpec(told.key, told.request, SessionSettings(idle_s=1.0)))
    walls = Walls.parse(None, "none")
    assert not world.channels.serve(SessionSpec(told.key, told.request, told.settings, walls=walls))
