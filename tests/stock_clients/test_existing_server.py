"""VS Code's "Existing Jupyter Server", as the requests that it sends."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from far_machine import eventually
from kernel_socket import kernel_socket, texts
from stock_servers import StockServer, farcell_gateway

WRONG_TOKEN = "?token=nonsense"


@pytest.fixture
def session(gateway: StockServer, spec: str) -> Iterator[dict[str, Any]]:
    """The path is no file's: it is made up for the notebook, with an id at its end."""
    path = f"analysis-{uuid.uuid4()}.ipynb"
    body = {"kernel": {"name": spec}, "name": path, "path": path, "type": "notebook"}
    answer = gateway.ask("POST", f"/api/sessions{WRONG_TOKEN}", body)
    assert answer.status_code == 201
    session = answer.json()
    yield session
    gateway.ask("DELETE", f"/api/sessions/{session['id']}")


def test_a_notebook_runs_a_cell(gateway: StockServer, spec: str, session: dict[str, Any]):
    assert spec in gateway.get(f"/api/kernelspecs{WRONG_TOKEN}")["kernelspecs"]
    kernel_id = session["kernel"]["id"]
    assert kernel_id in [one["id"] for one in gateway.get(f"/api/kernels{WRONG_TOKEN}")]
    with kernel_socket(gateway, kernel_id, session_id=f"{uuid.uuid4()}&token=nonsense") as channels:
        channels.wait_for_kernel()
        assert texts(channels.execute("print('far')")) == "far\n"
    assert session["id"] in [one["id"] for one in gateway.get(f"/api/sessions{WRONG_TOKEN}")]


@pytest.mark.parametrize("path", ["/api/kernels", "/api/sessions", "/api/kernelspecs"])
def test_a_right_token_in_the_query_is_none(gateway: StockServer, path: str):
    answer = requests.get(f"{gateway.url}{path}?token={gateway.token}", timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    "path", ["/api/contents", "/api/contents/a.ipynb", "/api/terminals", "/api/terminals/1"]
)
def test_files_and_terminals_are_not_here(gateway: StockServer, path: str):
    for method in ("GET", "POST", "DELETE"):
        answer = gateway.ask(method, path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_a_kernel_that_waits_too_long_is_withdrawn_and_says_why():
    with farcell_gateway("H100:1", stock_queue_s=1.0) as gateway:
        first = gateway.start_kernel()
        waiting = gateway.start_kernel()
        assert waiting["execution_state"] == "starting"
        path = f"/api/kernels/{waiting['id']}"
        eventually(lambda: gateway.ask("GET", path).status_code == 503)
        answer = gateway.ask("GET", path).json()
        assert (answer["code"], answer["details"]["place"]) == ("unavailable", 1)
        assert answer["details"]["reason"] in answer["message"]
        gateway.ask("DELETE", f"/api/kernels/{first['id']}")
        assert gateway.get("/api/kernels") == []
        assert gateway.ask("DELETE", path).status_code == 204
        assert gateway.ask("GET", path).status_code == 404
