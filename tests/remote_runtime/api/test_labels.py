from datetime import UTC, datetime

import pytest

from farcell.remote_runtime.api import (
    Isolation,
    Lease,
    LeaseId,
    LeaseState,
    Nanos,
    Offer,
    Request,
    Session,
    SessionId,
    SessionKey,
    SessionState,
    device_label,
)
from farcell.remote_runtime.api.identifiers import new_lease_id, new_session_id

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def session(lease: Lease | None) -> Session:
    key = SessionKey("laptop", "train.ipynb", "far")
    return Session(SessionId("s"), "ann", key, Request.parse("h100:2"), SessionState.BUSY, NOON, lease=lease)


def lease(*, simulated: bool) -> Lease:
    return Lease(
        id=LeaseId("5f"),
        session_id=SessionId("s"),
        offer="H100",
        spawner="process",
        count=2,
        devices=(),
        simulated=simulated,
        price_nanos_per_s=Nanos(2_194_000),
        state=LeaseState.RUNNING,
        created_at=NOON,
        ready_at=NOON,
    )


@pytest.mark.parametrize(
    ("count", "simulated", "label"),
    [
        (1, False, "H100"),
        (2, False, "H100:2"),
        (1, True, "H100 (simulated)"),
        (2, True, "H100:2 (simulated)"),
    ],
)
def test_a_device_is_named_with_its_count_and_marked_when_simulated(count, simulated, label):
    assert device_label("H100", count, simulated=simulated) == label


def test_offers_and_leases_of_simulated_devices_say_so():
    offer = Offer("T4", "T4", 1, 4, 4, Nanos(1), "process", Isolation.NONE, simulated=True)
    assert offer.label == "T4 (simulated)"
    assert lease(simulated=True).label == "H100:2 (simulated)"


def test_a_session_is_labelled_by_what_it_holds_else_by_what_it_asked_for():
    assert session(lease(simulated=True)).label == "H100:2 (simulated)"
    assert session(None).label == "H100:2"


def test_a_sessions_facts_come_from_its_lease():
    assert session(lease(simulated=True)).facts() == {
        "name": "far",
        "path": "train.ipynb",
        "label": "H100:2 (simulated)",
        "price_nanos_per_s": 2_194_000,
        "simulated": True,
        "started_at": "2026-11-01T12:00:00+00:00",
    }


def test_a_session_without_a_lease_has_no_price_and_no_start():
    facts = session(None).facts()
    assert (facts["price_nanos_per_s"], facts["simulated"], facts["started_at"]) == (None, False, None)
    assert session(None).lease_id is None
    assert session(lease(simulated=False)).lease_id == "5f"


def test_ids_are_new_each_time_and_short_where_they_are_part_of_a_socket_path():
    assert len({new_session_id() for _ in range(100)}) == 100
    assert len({new_lease_id() for _ in range(100)}) == 100
    assert len(new_lease_id()) == 12
