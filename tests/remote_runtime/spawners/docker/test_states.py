"""What the engine says of containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from farcell.remote_runtime.spawners.contract import ContainerState
from farcell.remote_runtime.spawners.docker.states import exit_code, folder_of, state_of


@pytest.mark.parametrize("status", ["running", "paused", "restarting", "Running"])
def test_what_runs_runs(status):
    assert state_of(status) is ContainerState.RUNNING


@pytest.mark.parametrize("status", ["created", "exited", "dead", "removing", "stopped", "configured", ""])
def test_all_else_has_to_be_cleared_up(status):
    assert state_of(status) is ContainerState.DEAD


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("Exited (3) 5 seconds ago", 3),
        ("Exited (137) Less than a second ago", 137),
        ("Up 3 minutes", None),
        ("", None),
    ],
)
def test_an_exit_code_is_read_from_the_sentence(status, code):
    assert exit_code(status) == code


def test_the_leases_folder_is_what_is_mounted_there():
    mounts = [
        {"Source": "/g/agents", "Destination": "/farcell/gateway"},
        {"Source": "/g/leases/1", "Destination": "/farcell/lease"},
    ]
    assert folder_of(mounts) == Path("/g/leases/1")
    assert folder_of(mounts[:1]) is None
