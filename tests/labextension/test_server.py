"""What the sidebar is answered: by a real Jupyter Server, from a real gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from embedded_gateway import embedded_gateway, gateway_process, session_spec
from notebook_server import NotebookServer, jupyter_lab

from farcell.labextension.server import overview
from farcell.remote_runtime.errors import GatewayUnreachable

NOT_RUNNING = {"gateway": "not-running", "offers": [], "sessions": []}


@pytest.fixture
def two_h100(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARCELL_SIMULATE", "H100:2")


@pytest.fixture
def lab(data_dir: Path, tmp_path: Path):
    with jupyter_lab(tmp_path) as server:
        yield server


def ask(server: NotebookServer, **arguments: Any) -> requests.Response:
    return requests.get(f"{server.url}farcell/overview", timeout=60, **arguments)


def log_in_where_nobody_listens(data_dir: Path) -> None:
    login = {"url": "http://127.0.0.1:9", "token": "a-token", "ca": None, "trusted": False}
    (data_dir / "login.json").write_text(json.dumps(login))


async def test_without_a_gateway_it_says_so_and_starts_none(data_dir: Path):
    assert await overview() == NOT_RUNNING
    assert list(data_dir.iterdir()) == []


async def test_it_shows_offers_and_marks_simulated_ones(data_dir: Path, two_h100: None):
    async with embedded_gateway(data_dir):
        answer = await overview()
    assert answer["gateway"] == "running"
    (h100,) = (offer for offer in answer["offers"] if offer["gpu"] == "H100")
    assert (h100["label"], h100["simulated"], h100["count_free"]) == ("H100 (simulated)", True, 2)


async def test_it_shows_sessions_with_their_state_and_cost(data_dir: Path, two_h100: None):
    async with embedded_gateway(data_dir) as gateway:
        await gateway.post_json("/farcell/v1/sessions", session_spec("H100"))
        (session,) = (await overview())["sessions"]
    assert session["path"] == "analysis.ipynb"
    assert session["state"] in {"queued", "starting", "idle"}
    assert isinstance(session["cost_nanos"], int)


async def test_a_gateway_that_ended_is_seen_at_the_next_look(data_dir: Path, two_h100: None):
    async with embedded_gateway(data_dir):
        process = gateway_process(data_dir)
        process.kill()
        process.wait(timeout=60)
        assert await overview() == NOT_RUNNING


async def test_a_gateway_that_does_not_answer_is_an_error(data_dir: Path):
    log_in_where_nobody_listens(data_dir)
    with pytest.raises(GatewayUnreachable, match=r"127\.0\.0\.1:9"):
        await overview()


def test_a_stranger_is_refused_and_the_browser_never_gets_the_gateways_token(
    lab: NotebookServer, data_dir: Path
):
    assert ask(lab).status_code == 403
    assert ask(lab, headers=lab.headers).json() == NOT_RUNNING
    log_in_where_nobody_listens(data_dir)
    refused = ask(lab, headers=lab.headers)
    assert refused.status_code == 503
    assert refused.json()["code"] == "gateway-unreachable"
    assert "a-token" not in refused.text
