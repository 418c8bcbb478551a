from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.remote_runtime.api import GatewayId, LeaseId, SessionId
from farcell.remote_runtime.spawners.containment import Labels, Limits, family
from farcell.remote_runtime.spawners.procfs import Process

LABELS = Labels(GatewayId("gateway"), SessionId("1f0c-ab"), LeaseId("lease"))


def processes(*rows: tuple[int, int, int]) -> dict[int, Process]:
    """From (pid, parent, session)."""
    return {pid: Process(pid, started=0, parent=parent, session=session) for pid, parent, session in rows}


def test_labels_come_back_from_their_name_and_from_the_environment():
    assert Labels.from_name(LABELS.name) == LABELS
    assert Labels.from_environment({"PATH": "/bin", **LABELS.environment}) == LABELS


@pytest.mark.parametrize(
    "name", ["", "farcell", "farcell.a.b", "farcell.a.b.c.d", "farcell.a.b.c/d", "x.a.b.c"]
)
def test_other_names_are_no_labels(name):
    assert Labels.from_name(name) is None


def test_an_environment_with_half_the_labels_is_nobodys():
    assert Labels.from_environment({"FARCELL_LEASE": "lease"}) is None


@pytest.mark.parametrize("lease_id", ["", "../up", "a.b", "a b", "é"])
def test_labels_that_can_be_no_name_are_refused(lease_id):
    with pytest.raises(ValueError, match="can't be a file's name"):
        _ = Labels(GatewayId("g"), SessionId("s"), LeaseId(lease_id)).name


def test_limits_are_told_by_the_file_that_holds_them():
    assert Limits(pids=7, memory_bytes=None).files() == {"pids.max": 7}
    assert Limits(pids=None, memory_bytes=9).files() == {"memory.max": 9}


def test_descendants_are_family():
    assert family({10}, processes((10, 1, 10), (11, 10, 10), (12, 11, 12), (20, 1, 20))) == {10, 11, 12}


def test_orphans_in_a_familys_session_are_family():
    assert family({10}, processes((10, 1, 10), (11, 1, 10), (12, 11, 12))) == {10, 11, 12}


def test_orphans_in_a_session_whose_leader_has_gone_are_family():
    assert family({11}, processes((11, 1, 10), (12, 1, 10))) == {11, 12}


def test_a_marked_process_in_a_persons_login_session_does_not_take_the_session_along():
    assert family({11}, processes((10, 1, 10), (11, 10, 10), (12, 10, 10))) == {11}


def test_processes_outside_of_the_pid_namespace_share_no_session():
    assert family({11}, processes((11, 1, 0), (12, 1, 0))) == {11}


def test_marked_processes_that_ended_meanwhile_are_left_out():
    assert family({10, 99}, processes((10, 1, 10))) == {10}


rows = st.lists(st.tuples(st.integers(2, 30), st.integers(1, 30), st.integers(0, 30)), max_size=25)


@given(rows, st.sets(st.integers(2, 30), max_size=4))
def test_a_family_holds_its_marked_and_is_closed_under_descent(table, marked):
    running = processes(*table)
    found = family(marked, running)
    assert marked & running.keys() <= found <= running.keys()
    assert all(one.pid in found for one in running.values() if one.parent in found)
    assert family(found, running) == found
    assert bool(found) == bool(marked & running.keys())
