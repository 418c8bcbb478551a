"""Kernel specs, kernels and sessions over REST: status codes, shapes and what follows from them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import requests
from kernel_socket import kernel_socket
from stock_servers import StockServer

KERNEL = {"id": str, "name": str, "last_activity": str, "execution_state": str, "connections": int}
NOBODY = str(uuid.uuid4())


def has_shape(value: dict[str, Any], shape: dict[str, type | tuple[type, ...]]) -> bool:
    return all(isinstance(value.get(name), kind) for name, kind in shape.items())


def is_refused(answer: requests.Response, status: int) -> bool:
    """An error in JSON with a sentence, which is what front ends show."""
    return answer.status_code == status and bool(answer.json()["message"])


@pytest.fixture
def own_kernel(server: StockServer) -> Iterator[str]:
    """A kernel of one test, which may end it."""
    kernel_id = server.start_kernel()["id"]
    yield kernel_id
    server.ask("DELETE", f"/api/kernels/{kernel_id}")


# --- the server ---


def test_the_version_is_told_to_anybody(server: StockServer):
    assert requests.get(server.url + "/api", timeout=60).json()["version"].startswith("2.")


@pytest.mark.parametrize(
    "path", ["/api/kernels", "/api/kernelspecs", "/api/sessions", "/api/status", "/api/me"]
)
def test_without_a_token_nothing_is_told(server: StockServer, path: str):
    assert requests.get(server.url + path, timeout=60).status_code in (401, 403)


def test_both_words_of_the_header_are_taken(server: StockServer):
    for word in ("token", "Bearer", "bearer"):
        answer = requests.get(
            server.url + "/api/kernels", headers={"Authorization": f"{word} {server.token}"}, timeout=60
        )
        assert answer.status_code == 200


def test_the_status_counts_kernels_and_connections(server: StockServer, kernel_id: str):
    before = server.get("/api/status")
    assert has_shape(before, {"started": str, "last_activity": str, "kernels": int, "connections": int})
    with kernel_socket(server, kernel_id) as channels:
        channels.wait_for_kernel()
        assert server.get("/api/status")["connections"] == before["connections"] + 1


def test_who_one_is(server: StockServer):
    me = server.get("/api/me")
    assert has_shape(me["identity"], {"username": str, "name": str, "display_name": str, "initials": str})
    assert isinstance(me["permissions"], dict)


# --- kernel specs ---


def test_kernel_specs_have_their_shape(server: StockServer):
    answer = server.get("/api/kernelspecs")
    assert answer["default"] in answer["kernelspecs"]
    for name, spec in answer["kernelspecs"].items():
        assert spec["name"] == name
        assert has_shape(spec, {"name": str, "spec": dict, "resources": dict})
        assert has_shape(
            spec["spec"],
            {
                "argv": list,
                "display_name": str,
                "language": str,
                "env": dict,
                "interrupt_mode": str,
                "metadata": dict,
            },
        )


def test_one_kernel_spec(server: StockServer):
    answer = server.get("/api/kernelspecs")
    name = answer["default"]
    assert server.get(f"/api/kernelspecs/{name}") == answer["kernelspecs"][name]


def test_an_unknown_kernel_spec(server: StockServer):
    assert is_refused(server.ask("GET", "/api/kernelspecs/nonsense"), 404)


# --- kernels ---


def test_a_kernel_is_started_found_and_deleted(server: StockServer):
    answer = server.ask("POST", "/api/kernels")
    kernel = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/kernels/{kernel['id']}"
    assert has_shape(kernel, KERNEL)
    assert kernel["name"] == server.get("/api/kernelspecs")["default"]
    assert kernel["execution_state"] in ("starting", "idle", "busy")
    assert server.get(f"/api/kernels/{kernel['id']}")["id"] == kernel["id"]
    assert kernel["id"] in [one["id"] for one in server.get("/api/kernels")]
    deleted = server.ask("DELETE", f"/api/kernels/{kernel['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert is_refused(server.ask("GET", f"/api/kernels/{kernel['id']}"), 404)
    assert kernel["id"] not in [one["id"] for one in server.get("/api/kernels")]


def test_a_kernel_of_a_name(server: StockServer):
    name = server.get("/api/kernelspecs")["default"]
    kernel = server.start_kernel(name)
    assert kernel["name"] == name
    server.ask("DELETE", f"/api/kernels/{kernel['id']}")


def test_a_kernel_of_an_unknown_name_is_not_started(server: StockServer):
    before = server.get("/api/kernels")
    answer = server.ask("POST", "/api/kernels", {"name": "nonsense"})
    assert answer.status_code >= 400
    assert len(server.get("/api/kernels")) == len(before)


def test_a_body_that_is_no_json_is_refused(server: StockServer):
    answer = requests.post(server.url + "/api/kernels", data=b"{", headers=server.headers, timeout=60)
    assert is_refused(answer, 400)


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("POST", "/interrupt")])
def test_an_unknown_kernel(server: StockServer, method: str, path: str):
    assert is_refused(server.ask(method, f"/api/kernels/{NOBODY}{path}"), 404)


def test_a_restart_of_an_unknown_kernel(server: StockServer):
    answer = server.ask("POST", f"/api/kernels/{NOBODY}/restart")
    assert is_refused(answer, 500 if server.kind == "jupyter_server" else 404)


def test_a_path_that_is_nobodys(server: StockServer):
    assert server.ask("GET", "/api/nonsense").status_code == 404


def test_states_and_connections_are_told(server: StockServer, kernel_id: str):
    with kernel_socket(server, kernel_id) as channels:
        channels.wait_for_kernel()
        kernel = server.get(f"/api/kernels/{kernel_id}")
        assert (kernel["execution_state"], kernel["connections"]) == ("idle", 1)
        datetime.fromisoformat(kernel["last_activity"])


def test_a_restart_answers_with_the_same_kernel(server: StockServer, own_kernel: str):
    with kernel_socket(server, own_kernel) as channels:
        channels.wait_for_kernel()
        answer = server.ask("POST", f"/api/kernels/{own_kernel}/restart")
        assert (answer.status_code, answer.json()["id"]) == (200, own_kernel)
        assert has_shape(answer.json(), KERNEL)


def test_an_interrupt_of_an_idle_kernel_changes_nothing(server: StockServer, kernel_id: str):
    answer = server.ask("POST", f"/api/kernels/{kernel_id}/interrupt")
    assert (answer.status_code, answer.content) == (204, b"")
    with kernel_socket(server, kernel_id) as channels:
        assert channels.value("6 * 7") == "42"


# --- sessions ---


@pytest.fixture
def session(server: StockServer) -> Iterator[dict[str, Any]]:
    session = new_session(server).json()
    yield session
    server.ask("DELETE", f"/api/sessions/{session['id']}")


def new_session(server: StockServer, path: str = "a.ipynb", **changes: Any) -> requests.Response:
    body = {"path": path, "name": "a", "type": "notebook", "kernel": {"name": None}}
    return server.ask("POST", "/api/sessions", body | changes)


def test_a_session_has_a_kernel(server: StockServer, session: dict[str, Any]):
    facts = {name: session[name] for name in ("path", "name", "type", "notebook")}
    assert facts == {
        "path": "a.ipynb",
        "name": "a",
        "type": "notebook",
        "notebook": {"path": "a.ipynb", "name": "a"},
    }
    assert has_shape(session["kernel"], KERNEL)
    assert server.get(f"/api/kernels/{session['kernel']['id']}")["id"] == session["kernel"]["id"]
    assert server.get(f"/api/sessions/{session['id']}")["kernel"]["id"] == session["kernel"]["id"]
    assert [one["id"] for one in server.get("/api/sessions")] == [session["id"]]


def test_asking_for_the_same_path_again_gives_the_same_session(server: StockServer, session: dict[str, Any]):
    again = new_session(server)
    assert (again.status_code, again.json()["id"]) == (201, session["id"])
    assert again.json()["kernel"]["id"] == session["kernel"]["id"]


def test_a_session_takes_a_kernel_that_runs(server: StockServer, own_kernel: str):
    answer = new_session(server, "b.ipynb", kernel={"id": own_kernel})
    assert (answer.status_code, answer.json()["kernel"]["id"]) == (201, own_kernel)
    assert server.ask("DELETE", f"/api/sessions/{answer.json()['id']}").status_code == 204


def test_a_session_is_renamed(server: StockServer, session: dict[str, Any]):
    answer = server.ask("PATCH", f"/api/sessions/{session['id']}", {"path": "c.ipynb", "name": "c"})
    assert answer.status_code == 200
    changed = server.get(f"/api/sessions/{session['id']}")
    assert (changed["path"], changed["name"], changed["type"]) == ("c.ipynb", "c", "notebook")
    assert changed["kernel"]["id"] == session["kernel"]["id"]


def test_another_kernel_takes_the_place_of_a_sessions(server: StockServer, session: dict[str, Any]):
    kernel = {"kernel": {"name": session["kernel"]["name"]}}
    changed = server.ask("PATCH", f"/api/sessions/{session['id']}", kernel)
    assert changed.status_code == 200
    assert changed.json()["kernel"]["id"] != session["kernel"]["id"]
    assert server.ask("GET", f"/api/kernels/{session['kernel']['id']}").status_code == 404


def test_a_deleted_session_takes_its_kernel_along(server: StockServer):
    session = new_session(server, "d.ipynb").json()
    assert server.ask("DELETE", f"/api/sessions/{session['id']}").status_code == 204
    assert server.ask("GET", f"/api/kernels/{session['kernel']['id']}").status_code == 404
    assert server.ask("GET", f"/api/sessions/{session['id']}").status_code == 404


def test_a_session_whose_kernel_was_deleted_is_gone(server: StockServer):
    session = new_session(server, "e.ipynb").json()
    server.ask("DELETE", f"/api/kernels/{session['kernel']['id']}")
    assert session["id"] not in [one["id"] for one in server.get("/api/sessions")]


@pytest.mark.parametrize("body", [{"type": "notebook"}, {"path": "f.ipynb"}])
def test_a_session_without_a_path_or_type_is_refused(server: StockServer, body: dict[str, str]):
    assert is_refused(server.ask("POST", "/api/sessions", body), 400)


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_unknown_session(server: StockServer, method: str):
    assert is_refused(server.ask(method, f"/api/sessions/{NOBODY}", {} if method == "PATCH" else None), 404)
