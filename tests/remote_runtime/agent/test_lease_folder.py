"""What the spawner leaves for the agent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farcell.remote_runtime.agent.lease_folder import LeaseFolder

FACTS = {
    "gateway_id": "g",
    "session_id": "s",
    "lease_id": "l",
    "socket": "/run/gateway.sock",
    "python": "/usr/bin/python3",
    "home": "/h",
    "work": "/w",
    "run": "/r",
    "devices": [{"uuid": "GPU-1"}],
}


def test_it_is_read_and_what_is_unknown_is_ignored(tmp_path):
    (tmp_path / "agent.json").write_text(json.dumps(FACTS | {"later": 1}))
    folder = LeaseFolder.read(tmp_path)
    assert (folder.path, folder.socket, folder.work) == (tmp_path, Path("/run/gateway.sock"), Path("/w"))
    assert folder.devices == ({"uuid": "GPU-1"},)


@pytest.mark.parametrize("none", [{}, {"egress": None}])
def test_there_is_a_way_out_only_where_it_is_given(tmp_path, none):
    (tmp_path / "agent.json").write_text(json.dumps(FACTS | none))
    assert LeaseFolder.read(tmp_path).egress is None
    (tmp_path / "agent.json").write_text(json.dumps(FACTS | {"egress": "/farcell/egress/proxy.sock"}))
    assert LeaseFolder.read(tmp_path).egress == Path("/farcell/egress/proxy.sock")


def test_the_token_is_read_anew_each_time(tmp_path):
    (tmp_path / "agent.json").write_text(json.dumps(FACTS))
    folder = LeaseFolder.read(tmp_path)
    for token in ("one", "two"):
        (tmp_path / "token").write_text(f"{token}\n")
        assert folder.token == token


def test_a_fact_that_is_missing_is_named(tmp_path):
    (tmp_path / "agent.json").write_text(
        json.dumps({name: fact for name, fact in FACTS.items() if name != "home"})
    )
    with pytest.raises(KeyError, match="home"):
        LeaseFolder.read(tmp_path)
