from dataclasses import replace
from datetime import UTC, datetime

import pytest

from farcell.remote_runtime.api import (
    GIB,
    Device,
    Isolation,
    Lease,
    LeaseId,
    LeaseState,
    Nanos,
    Offer,
    QueuePlace,
    Request,
    SessionId,
    Walls,
    default_table,
)
from farcell.remote_runtime.errors import NoSuchOffer
from farcell.remote_runtime.scheduler import Grant, Scheduler

PRICE = Nanos(1_097_000)


def offer(name: str = "H100", count: int = 2, **changes) -> Offer:
    devices = tuple(Device(f"{name}-{i}", name, 80 * GIB) for i in range(count))
    base = Offer(name, name, 80 * GIB, count, count, PRICE, "process", Isolation.NONE, devices=devices)
    return replace(base, **changes)


def foreign(of: Offer, *indices: int) -> Offer:
    """The offer while somebody outside Farcell uses those of its devices."""
    devices = tuple(replace(device, foreign=i in indices) for i, device in enumerate(of.devices))
    return replace(of, devices=devices, count_free=of.count_total - len(indices))


CPU = offer("cpu", 2, gpu=None, devices=())
SLURM = offer("H100", 4, spawner="slurm", devices=())


@pytest.fixture
def scheduler() -> Scheduler:
    scheduler = Scheduler(default_table())
    scheduler.update([offer()])
    return scheduler


def submit(
    scheduler: Scheduler, session: str, request: str = "H100", now: float = 0, owner: str = ""
) -> None:
    """Every session has an owner of its own unless one is named."""
    scheduler.submit(SessionId(session), owner or session, Request.parse(request), now)


def placed(scheduler: Scheduler, now: float = 0) -> list[str]:
    return [grant.session_id for grant in scheduler.place(now)]


def place_of(scheduler: Scheduler, session: str, now: float = 0) -> QueuePlace:
    place = scheduler.queue_place(SessionId(session), now)
    assert place is not None
    return place


def lease(session: str, *uuids: str, of: Offer | None = None) -> Lease:
    of = of or offer()
    return Lease(
        id=LeaseId(f"lease-of-{session}"),
        session_id=SessionId(session),
        offer=of.name,
        spawner=of.spawner,
        count=len(uuids) or 1,
        devices=uuids,
        simulated=of.simulated,
        price_nanos_per_s=PRICE,
        state=LeaseState.RUNNING,
        created_at=datetime.now(UTC),
    )


def test_a_session_starts_at_once_when_its_gpu_is_free(scheduler):
    submit(scheduler, "a")
    assert scheduler.place(0) == [Grant(SessionId("a"), offer(), 1, offer().devices[:1])]
    assert scheduler.place(0) == []


def test_two_leases_get_different_devices_in_the_offers_order(scheduler):
    submit(scheduler, "a")
    submit(scheduler, "b")
    assert [grant.devices for grant in scheduler.place(0)] == [offer().devices[:1], offer().devices[1:]]


def test_a_lease_of_two_costs_twice_as_much(scheduler):
    submit(scheduler, "a", "H100:2")
    assert [grant.price_nanos_per_s for grant in scheduler.place(0)] == [2 * PRICE]


def test_the_first_choice_that_is_free_is_taken(scheduler):
    scheduler.update([offer(), offer("L40S", 1)])
    submit(scheduler, "a", "H100:2,L40S")
    submit(scheduler, "b", "H100:2,L40S")
    assert [grant.offer.name for grant in scheduler.place(0)] == ["H100", "L40S"]


def test_an_offer_that_hands_out_its_devices_itself_is_counted(scheduler):
    scheduler.update([SLURM])
    submit(scheduler, "a", "H100:3")
    submit(scheduler, "b", "H100:2")
    assert [(grant.count, grant.devices) for grant in scheduler.place(0)] == [(3, ())]
    assert [free.count_free for free in scheduler.free_offers()] == [1]


def test_what_others_use_of_a_counted_offer_is_not_given(scheduler):
    scheduler.update([replace(SLURM, count_free=1)])
    submit(scheduler, "a", "H100:2")
    assert placed(scheduler) == []
    assert "3 of 4 H100 are used by a process outside Farcell" in place_of(scheduler, "a").reason


def test_a_plain_cpu_is_one_of_its_offer(scheduler):
    scheduler.update([CPU])
    for session in "abc":
        submit(scheduler, session, "cpu")
    assert [grant.count for grant in scheduler.place(0)] == [1, 1]
    assert place_of(scheduler, "c").place == 1


def test_submitting_twice_changes_nothing(scheduler):
    for _ in range(2):
        submit(scheduler, "a")
    assert placed(scheduler) == ["a"]
    submit(scheduler, "a")
    assert placed(scheduler) == []


def test_what_could_never_be_had_is_refused_and_not_queued(scheduler):
    with pytest.raises(NoSuchOffer, match="H100:3 can't be had; all that is here: 2 H100"):
        submit(scheduler, "a", "H100:3")
    assert scheduler.queue_place(SessionId("a"), 0) is None


def test_a_check_refuses_the_same_without_queueing(scheduler):
    with pytest.raises(NoSuchOffer, match="H100:3 can't be had"):
        scheduler.check(Request.parse("H100:3"))
    scheduler.check(Request.parse("H100:2"))
    assert placed(scheduler) == []


def test_what_is_only_taken_now_is_queued(scheduler):
    scheduler.update([foreign(offer(), 0, 1)])
    submit(scheduler, "a", "H100:2")
    assert place_of(scheduler, "a").place == 1


def test_release_gives_to_the_next(scheduler):
    for session in "abcd":
        submit(scheduler, session)
    assert placed(scheduler) == ["a", "b"]
    scheduler.release(SessionId("b"), 1)
    assert placed(scheduler) == ["c"]


def test_release_and_withdrawal_of_the_unknown_are_silent(scheduler):
    scheduler.release(SessionId("nobody"), 0)
    scheduler.withdraw(SessionId("nobody"))


def test_withdrawal_leaves_the_queue_and_not_a_lease(scheduler):
    for session in "abcd":
        submit(scheduler, session)
    scheduler.place(0)
    for session in "ac":
        scheduler.withdraw(SessionId(session))
    assert placed(scheduler) == []
    scheduler.release(SessionId("a"), 1)
    assert placed(scheduler) == ["d"]


def test_two_gpus_are_given_whole_and_not_starved_by_a_stream_of_singles(scheduler):
    submit(scheduler, "single-0")
    assert placed(scheduler) == ["single-0"]
    submit(scheduler, "pair", "H100:2", now=1)
    submit(scheduler, "single-1", now=2)
    assert placed(scheduler) == []
    assert "1 is kept for those ahead; 1 ahead of you" in place_of(scheduler, "single-1").reason
    scheduler.release(SessionId("single-0"), 3)
    submit(scheduler, "single-2", now=3)
    assert placed(scheduler) == ["pair"]


def test_nothing_is_kept_for_a_pair_while_foreign_processes_make_it_impossible(scheduler):
    scheduler.update([foreign(offer(), 0)])
    submit(scheduler, "pair", "H100:2")
    submit(scheduler, "single", now=1)
    assert placed(scheduler) == ["single"]


def test_who_waits_for_one_offer_does_not_hold_up_another(scheduler):
    scheduler.update([offer(count=1), offer("L40S", 1)])
    for session in "ab":
        submit(scheduler, session)
    submit(scheduler, "c", "L40S")
    assert placed(scheduler) == ["a", "c"]


def test_who_holds_many_lets_the_one_who_has_none_go_first(scheduler):
    for session in ("a1", "a2", "a3"):
        submit(scheduler, session, owner="ann")
    assert placed(scheduler) == ["a1", "a2"]
    submit(scheduler, "b", now=1, owner="bob")
    scheduler.release(SessionId("a1"), 2)
    assert placed(scheduler) == ["b"]


def test_a_stream_of_newcomers_does_not_starve_who_holds_one(scheduler):
    scheduler.update([offer(count=1)])
    scheduler.hold(lease("elsewhere", of=CPU), "ann", since=0)
    submit(scheduler, "hers", owner="ann")
    started: list[str] = []
    for minute in range(20):
        submit(scheduler, f"newcomer-{minute}", now=60 * minute)
        started += placed(scheduler, 60 * minute)
        scheduler.release(SessionId(started[-1]), 60 * minute)
    assert started.index("hers") <= 10


def test_a_foreign_process_takes_a_device(scheduler):
    scheduler.update([foreign(offer(), 0)])
    for session in "ab":
        submit(scheduler, session)
    assert [grant.devices[0].uuid for grant in scheduler.place(0)] == ["H100-1"]
    reason = "1 of 2 H100 is held, 1 is used by a process outside Farcell"
    assert place_of(scheduler, "b").reason == reason


def test_a_foreign_process_on_a_held_device_takes_no_second_one(scheduler):
    submit(scheduler, "a")
    scheduler.place(0)
    scheduler.update([foreign(offer(), 0)])
    assert [free.count_free for free in scheduler.free_offers()] == [1]


def test_a_device_that_two_spawners_offer_is_given_once(scheduler):
    scheduler.update([offer(count=1), offer(count=1, spawner="docker")])
    for session in "ab":
        submit(scheduler, session)
    assert placed(scheduler) == ["a"]


def test_a_running_lease_is_taken_over_after_a_restart(scheduler):
    submit(scheduler, "a")
    for _ in range(2):
        scheduler.hold(lease("a", "H100-0"), "ann", since=0)
    submit(scheduler, "b")
    assert [grant.devices[0].uuid for grant in scheduler.place(0)] == ["H100-1"]
    scheduler.release(SessionId("a"), 5)
    assert [free.count_free for free in scheduler.free_offers()] == [1]


def test_a_taken_over_lease_of_a_counted_offer_is_counted(scheduler):
    scheduler.update([SLURM])
    scheduler.hold(lease("a", of=SLURM), "ann", since=0)
    assert [free.count_free for free in scheduler.free_offers()] == [3]


def test_the_devices_of_a_taken_over_lease_are_told_as_they_are_offered(scheduler):
    assert scheduler.devices(lease("a", "H100-1", "H100-0")) == offer().devices[::-1]
    scheduler.update([SLURM])
    assert scheduler.devices(lease("a", of=SLURM)) == ()


@pytest.mark.parametrize(
    "lost", [lease("a", "H100-2"), lease("a", "L40S-0", of=offer("L40S")), lease("a", of=SLURM)]
)
def test_the_devices_of_a_lease_that_is_not_offered_any_more_are_refused(scheduler, lost: Lease):
    with pytest.raises(NoSuchOffer, match="not offered any more"):
        scheduler.devices(lost)


def test_walls_are_waited_for_where_they_can_be_had(scheduler):
    walls = Walls.parse("sandbox", "none")
    with pytest.raises(NoSuchOffer, match="--network none --isolation sandbox"):
        scheduler.submit(SessionId("a"), "ann", Request.parse("H100"), 0, walls)
    sandboxes = offer(
        "H100",
        1,
        spawner="docker",
        isolation=Isolation.CONTAINER,
        isolations=tuple(Isolation)[1:],
        devices=(),
    )
    scheduler.update([offer(), sandboxes])
    for session in "ab":
        scheduler.submit(SessionId(session), session, Request.parse("H100"), 0, walls)
    [grant] = scheduler.place(0)
    assert (grant.session_id, grant.offer.spawner) == ("a", "docker")
    assert place_of(scheduler, "b").reason == "1 of 1 H100 is held"
    scheduler.update([offer()])
    assert place_of(scheduler, "b").reason == "H100 is not offered at the moment"


def rejoin(
    scheduler: Scheduler, session: str, request: str = "H100", since: float = 0, owner: str = ""
) -> None:
    scheduler.rejoin(SessionId(session), owner or session, Request.parse(request), since)


def test_who_waited_before_a_restart_keeps_the_place_and_is_passed_over_until_it_comes(scheduler):
    scheduler.update([offer(count=1)])
    rejoin(scheduler, "a", since=-20)
    rejoin(scheduler, "b", since=-10)
    submit(scheduler, "c", now=0)
    assert [place_of(scheduler, session).place for session in "abc"] == [1, 2, 3]
    assert placed(scheduler) == ["c"]
    scheduler.release(SessionId("c"), 5)
    scheduler.come(SessionId("b"))
    scheduler.come(SessionId("nobody"))
    assert placed(scheduler, 5) == ["b"]
    scheduler.withdraw(SessionId("a"))
    scheduler.come(SessionId("a"))
    scheduler.release(SessionId("b"), 6)
    assert placed(scheduler, 6) == []


def test_who_waited_before_a_restart_is_queued_also_while_nothing_is_offered(scheduler):
    scheduler.update([])
    rejoin(scheduler, "a")
    scheduler.come(SessionId("a"))
    assert placed(scheduler) == []
    scheduler.update([offer()])
    assert placed(scheduler) == ["a"]


def test_an_owners_sessions_keep_their_order_over_a_restart_in_whatever_order_they_come(scheduler):
    scheduler.update([offer(count=1)])
    for session in "abc":
        rejoin(scheduler, session, owner="ann")
    for session in "cba":
        scheduler.come(SessionId(session))
    assert [place_of(scheduler, session).place for session in "abc"] == [1, 2, 3]


def test_an_offer_that_went_away_gives_nothing_and_its_queue_waits(scheduler):
    submit(scheduler, "a")
    scheduler.update([])
    assert placed(scheduler) == []
    assert place_of(scheduler, "a").reason == "H100 is not offered at the moment"
    scheduler.update([offer()])
    assert placed(scheduler) == ["a"]


def test_places_count_those_who_accept_one_of_the_same_offers(scheduler):
    scheduler.update([offer(count=1), offer("L40S", 1)])
    for session in ("a", "b"):
        submit(scheduler, session, "H100,L40S")
    assert placed(scheduler) == ["a", "b"]
    for now, (session, request) in enumerate({"c": "H100", "d": "L40S", "e": "L40S,H100"}.items(), start=1):
        submit(scheduler, session, request, now)
    assert [place_of(scheduler, session).place for session in "cde"] == [1, 1, 3]


def test_who_does_not_wait_has_no_place(scheduler):
    submit(scheduler, "a")
    scheduler.place(0)
    assert scheduler.queue_place(SessionId("a"), 0) is None


def test_no_wait_is_expected_before_a_lease_has_ended(scheduler):
    submit(scheduler, "a", "H100:2")
    submit(scheduler, "b")
    scheduler.place(0)
    assert place_of(scheduler, "b") == QueuePlace(1, "2 of 2 H100 are held", None)


def test_the_expected_wait_follows_past_leases_and_those_ahead(scheduler):
    submit(scheduler, "past", "H100:2")
    scheduler.place(0)
    scheduler.release(SessionId("past"), 100)
    submit(scheduler, "a", "H100:2", now=100)
    assert placed(scheduler, now=100) == ["a"]
    submit(scheduler, "b", "H100:2", now=110)
    submit(scheduler, "c", now=110)
    assert place_of(scheduler, "b", now=130).expected_wait_s == 70
    assert place_of(scheduler, "c", now=130).expected_wait_s == 170


def test_free_offers_keep_all_but_the_count_in_the_spawners_order(scheduler):
    scheduler.update([CPU, offer()])
    submit(scheduler, "a")
    scheduler.place(0)
    assert scheduler.free_offers() == [CPU, replace(offer(), count_free=1)]


def test_a_card_that_the_table_lacks_can_be_asked_for_while_it_is_offered():
    scheduler = Scheduler(default_table())
    scheduler.update([offer("RTX-4090", gpu="RTX-4090")])
    scheduler.submit(SessionId("s"), "ann", Request.parse("rtx 4090", scheduler.table), 0)
    assert [grant.offer.name for grant in scheduler.place(0)] == ["RTX-4090"]
