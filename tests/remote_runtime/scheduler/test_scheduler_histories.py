"""Any history of submissions, withdrawals, releases and foreign processes keeps the scheduler's promises."""

from collections import Counter
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from farcell.remote_runtime.api import GIB, Device, Isolation, Nanos, Offer, Request, SessionId, default_table
from farcell.remote_runtime.scheduler import Grant, Scheduler
from farcell.remote_runtime.scheduler.queue import Waiting
from farcell.remote_runtime.scheduler.stock import OfferKey

OFFERS = [
    Offer(
        name,
        name,
        GIB,
        count,
        count,
        Nanos(100),
        "process",
        Isolation.NONE,
        devices=tuple(Device(f"{name}-{i}", name, GIB) for i in range(count)),
    )
    for name, count in (("H100", 3), ("L4", 2))
] + [
    Offer("H100", "H100", GIB, 2, 2, Nanos(50), "slurm", Isolation.CONTAINER),
    Offer("cpu", None, GIB, 1, 1, Nanos(10), "process", Isolation.NONE),
]
REQUESTS = ["H100", "H100:2", "H100:3", "L4", "L4:2,H100:2", "H100,L4,cpu", "24GB", "80GB:2", "cpu"]


class Histories(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.scheduler = Scheduler(default_table())
        self.scheduler.update(OFFERS)
        self.now = 0.0
        self.waiting: list[SessionId] = []
        self.grants: dict[SessionId, Grant] = {}

    @rule(owner=st.sampled_from("abc"), request=st.sampled_from(REQUESTS), later_s=st.floats(0, 900))
    def submit(self, owner: str, request: str, later_s: float) -> None:
        self.now += later_s
        session_id = SessionId(f"{owner}-{self.now}-{len(self.waiting)}-{len(self.grants)}")
        if session_id not in self.waiting and session_id not in self.grants:
            self.waiting.append(session_id)
        self.scheduler.submit(session_id, owner, Request.parse(request), self.now)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        session_id = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(session_id)
        self.scheduler.withdraw(session_id)

    @precondition(lambda self: self.grants)
    @rule(data=st.data(), later_s=st.floats(0, 900))
    def release(self, data: st.DataObject, later_s: float) -> None:
        self.now += later_s
        session_id = data.draw(st.sampled_from(sorted(self.grants)))
        del self.grants[session_id]
        self.scheduler.release(session_id, self.now)

    @rule(busy=st.sets(st.sampled_from([device.uuid for offer in OFFERS for device in offer.devices])))
    def foreign_processes_come_and_go(self, busy: set[str]) -> None:
        self.scheduler.update(
            replace(offer, devices=tuple(replace(d, foreign=d.uuid in busy) for d in offer.devices))
            for offer in OFFERS
        )

    @rule()
    def place(self) -> None:
        line = self.scheduler._queue.line()
        granted = self.scheduler.place(self.now)
        for grant in granted:
            assert not any(device.foreign for device in grant.devices)
            assert len(grant.devices) == (grant.count if grant.offer.devices else 0)
            self.waiting.remove(grant.session_id)
            self.grants[grant.session_id] = grant
        self.nobody_was_overtaken(line, granted)
        self.nobody_waits_beside_what_is_free_for_the_next()

    def nobody_was_overtaken(self, line: list[Waiting], granted: list[Grant]) -> None:
        rank = {waiting.session_id: number for number, waiting in enumerate(line)}
        for left in (waiting for waiting in line if waiting.session_id in self.waiting):
            for option in self.scheduler._options(left.request, left.walls):
                if option.count <= self.scheduler._stock.tally(option.offer).usable:
                    later = [grant for grant in granted if rank[grant.session_id] > rank[left.session_id]]
                    assert option.key not in [OfferKey.of(grant.offer) for grant in later]

    def nobody_waits_beside_what_is_free_for_the_next(self) -> None:
        for waiting in self.scheduler._queue.line():
            place = self.scheduler.queue_place(waiting.session_id, self.now)
            assert place is not None
            if place.place == 1:
                for option in self.scheduler._options(waiting.request, waiting.walls):
                    assert option.count > self.scheduler._stock.tally(option.offer).free

    @invariant()
    def no_device_is_given_to_two(self) -> None:
        given = Counter(device.uuid for grant in self.grants.values() for device in grant.devices)
        assert all(leases == 1 for leases in given.values())

    @invariant()
    def no_more_is_given_than_there_is(self) -> None:
        given: Counter[OfferKey] = Counter()
        for grant in self.grants.values():
            given[OfferKey.of(grant.offer)] += grant.count
        assert all(given[OfferKey.of(offer)] <= offer.count_total for offer in OFFERS)

    @invariant()
    def nothing_is_lost(self) -> None:
        assert {waiting.session_id for waiting in self.scheduler._queue.line()} == set(self.waiting)
        assert set(self.scheduler._stock.holdings) == set(self.grants)

    @invariant()
    def an_owners_sessions_keep_their_order(self) -> None:
        for owner in "abc":
            own = [waiting.arrival for waiting in self.scheduler._queue.line() if waiting.owner == owner]
            assert own == sorted(own)

    def teardown(self) -> None:
        """Nobody starves: as leases end, everybody who still waits is granted, none later than in turn."""
        self.scheduler.update(OFFERS)
        while self.waiting:
            for session_id in list(self.grants):
                del self.grants[session_id]
                self.scheduler.release(session_id, self.now)
            first = self.scheduler._queue.line()[0]
            self.place()
            assert first.session_id in self.grants


TestHistories = Histories.TestCase
