"""From the kernel into a real journal, and on to a link that has little room, none, or loses everything."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farcell.remote_runtime.agent.outlet import Outlet
from farcell.remote_runtime.errors import TooLarge
from farcell.remote_runtime.journal import JournalReader, Kind
from farcell.remote_runtime.journal import writer as journal_writer
from farcell.remote_runtime.journal.format import Record
from farcell.remote_runtime.wire import Message, Priority, numbered
from farcell.remote_runtime.wire.numbered import BROADCAST, OWN_CLIENTS

STOCK = 5


class Sent(NamedTuple):
    client: int
    previous: int
    position: int
    body: bytes


class Link:
    """Takes as many messages as it has room for, and none longer than `longest`."""

    def __init__(self, room: int = 10**9, longest: int = 10**9) -> None:
        self.room = room
        self.longest = longest
        self.sent: list[Sent] = []
        self.urgent: list[Sent] = []

    @property
    def writable(self) -> bool:
        return self.room > 0

    def send(self, message: Message) -> None:
        previous, position, body = numbered.unpack(message.body)
        sent = Sent(message.client, previous, position, bytes(body))
        if message.priority is Priority.HIGH:
            self.urgent.append(sent)
            return
        assert self.room > 0
        if len(body) > self.longest:
            raise TooLarge(f"a message of {len(body)} bytes")
        self.room -= 1
        self.sent.append(sent)

    @property
    def bodies(self) -> list[bytes]:
        return [sent.body for sent in self.sent]


def journal(folder: Path) -> list[tuple[Kind, int, bytes]]:
    return [(record.kind, record.client, bytes(record.body)) for record in JournalReader(folder).read()]


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def outlet(tmp_path, link):
    made = Outlet(tmp_path, link)
    yield made
    made.close()


def test_what_is_put_is_in_the_journal_and_on_the_link(outlet, link, tmp_path):
    outlet.put(BROADCAST, b"one")
    outlet.put(STOCK, b"two")
    assert journal(tmp_path) == [(Kind.MESSAGE, BROADCAST, b"one"), (Kind.MESSAGE, STOCK, b"two")]
    assert link.sent == [Sent(BROADCAST, 0, 1, b"one"), Sent(STOCK, 1, 2, b"two")]


def test_it_is_in_the_journal_before_it_is_on_the_link(tmp_path):
    seen = []

    class Looking(Link):
        def send(self, message):
            seen.append(len(journal(tmp_path)))

    outlet = Outlet(tmp_path, Looking())
    outlet.put(BROADCAST, b"one")
    outlet.close()
    assert seen == [1]


def test_each_message_names_the_one_before_that_goes_to_our_own_clients(outlet, link):
    for client in (BROADCAST, STOCK, OWN_CLIENTS, STOCK, BROADCAST):
        outlet.put(client, b"x")
    assert [(sent.previous, sent.position) for sent in link.sent] == [(0, 1), (1, 2), (1, 3), (3, 4), (3, 5)]


def test_what_the_link_has_no_room_for_follows_in_order_when_it_has(outlet, link):
    link.room = 1
    for body in (b"1", b"2", b"3"):
        outlet.put(BROADCAST, body)
    assert link.bodies == [b"1"]
    link.room = 1
    outlet.flush()
    assert link.bodies == [b"1", b"2"]
    link.room = 9
    outlet.put(BROADCAST, b"4")
    assert link.bodies == [b"1", b"2"]
    outlet.flush()
    outlet.put(BROADCAST, b"5")
    assert link.bodies == [b"1", b"2", b"3", b"4", b"5"]
    assert [sent.previous for sent in link.sent] == [0, 1, 2, 3, 4]


def test_flushing_without_anything_behind_sends_nothing(outlet, link):
    outlet.put(BROADCAST, b"1")
    outlet.flush()
    assert link.bodies == [b"1"]


def test_a_cell_is_accepted_once(outlet, tmp_path):
    assert outlet.accept("a", STOCK)
    assert not outlet.accept("a", OWN_CLIENTS)
    assert outlet.accept("b", STOCK)
    assert journal(tmp_path) == [(Kind.ACCEPTED, STOCK, b"a"), (Kind.ACCEPTED, STOCK, b"b")]


def test_acceptances_are_passed_over_when_what_is_behind_is_sent(outlet, link):
    link.room = 0
    outlet.put(BROADCAST, b"1")
    outlet.accept("a", STOCK)
    outlet.put(BROADCAST, b"2")
    link.room = 9
    outlet.flush()
    assert link.bodies == [b"1", b"2"]


def test_a_new_gateway_is_not_sent_what_was_before_but_its_clients_are_told(outlet, link):
    link.room = 1
    for body in (b"1", b"2", b"3"):
        outlet.put(BROADCAST, body)
    link.room = 9
    outlet.begin_anew()
    outlet.flush()
    outlet.put(BROADCAST, b"4")
    assert link.urgent == [Sent(OWN_CLIENTS, 3, 0, b"")]
    assert link.bodies == [b"1", b"4"]
    assert link.sent[-1].previous == 3


def test_a_message_that_is_too_long_for_the_link_is_read_in_the_journal(outlet, link, tmp_path, caplog):
    link.longest = 3
    outlet.put(BROADCAST, b"short"[:3])
    outlet.put(BROADCAST, b"long" * 9)
    outlet.put(BROADCAST, b"end")
    assert link.bodies == [b"sho", b"end"]
    assert link.urgent == [Sent(OWN_CLIENTS, 2, 0, b"")]
    assert link.sent[-1].previous == 2
    assert journal(tmp_path)[1][2] == b"long" * 9
    assert "36 bytes" in caplog.text


def test_a_message_that_is_too_long_does_not_hold_up_what_waits_behind_it(outlet, link):
    link.room, link.longest = 0, 3
    for body in (b"1", b"long" * 9, b"3"):
        outlet.put(BROADCAST, body)
    link.room = 9
    outlet.flush()
    assert link.bodies == [b"1", b"3"]
    assert link.urgent == [Sent(OWN_CLIENTS, 2, 0, b"")]


def test_what_compaction_left_out_before_it_was_sent_is_a_gap_for_the_next_message(outlet, link):
    """Our own clients see the gap, and read in the journal what stands at its place."""
    link.room = 0
    outlet.put(BROADCAST, b"1")
    outlet.put(BROADCAST, b"2")
    outlet._reader.read = lambda after: iter(  # type: ignore[method-assign]
        [Record(1, Kind.LEFT_OUT, b"{}"), Record(2, Kind.MESSAGE, b"2")]
    )
    link.room = 9
    outlet.flush()
    assert link.sent == [Sent(BROADCAST, 1, 2, b"2")]


class FullDisk:
    """Every write fails while `full`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = True
        as_before = journal_writer.JournalWriter.append

        def append(writer: journal_writer.JournalWriter, *record: object) -> int:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return as_before(writer, *record)  # type: ignore[arg-type]

        monkeypatch.setattr(journal_writer.JournalWriter, "append", append)


def test_with_a_full_disk_messages_go_out_without_a_position(outlet, link, monkeypatch, caplog):
    disk = FullDisk(monkeypatch)
    outlet.put(BROADCAST, b"1")
    outlet.put(BROADCAST, b"2")
    disk.full = False
    outlet.put(BROADCAST, b"3")
    assert [(sent.position, sent.body) for sent in link.sent] == [(0, b"1"), (0, b"2"), (1, b"3")]
    assert caplog.text.count("can't be written") == 1


def test_with_a_full_disk_a_cell_still_runs_once(outlet, monkeypatch):
    FullDisk(monkeypatch)
    assert outlet.accept("a", STOCK)
    assert not outlet.accept("a", STOCK)


def test_what_neither_disk_nor_link_takes_is_named_in_the_log(outlet, link, monkeypatch, caplog):
    FullDisk(monkeypatch)
    link.room = 0
    outlet.put(BROADCAST, b"123")
    assert "3 bytes is lost" in caplog.text


def test_closing_twice_is_allowed(outlet):
    outlet.close()
    outlet.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from([BROADCAST, OWN_CLIENTS, STOCK])),
        st.tuples(st.just("room"), st.integers(0, 3)),
        st.tuples(st.just("accept"), st.just(STOCK)),
    ),
    max_size=40,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(STEPS)
def test_whatever_room_there_is_everything_goes_out_once_and_in_order(tmp_path_factory, steps):
    link = Link(room=2)
    outlet = Outlet(tmp_path_factory.mktemp("journal"), link)
    put = []
    for number, (step, value) in enumerate(steps):
        if step == "put":
            put.append((value, b"%d" % number))
            outlet.put(value, put[-1][1])
        elif step == "accept":
            outlet.accept(str(number), value)
        else:
            link.room = value
            outlet.flush()
    link.room = 10**6
    outlet.flush()
    outlet.close()
    assert [(sent.client, sent.body) for sent in link.sent] == put
    own = [sent for sent in link.sent if sent.client != STOCK]
    assert [sent.previous for sent in own] == [0, *(sent.position for sent in own)][: len(own)]
