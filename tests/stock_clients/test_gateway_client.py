"""JupyterLab whose kernels all run on the gateway: ``jupyter lab --gateway-url``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kernel_socket import KernelSocket, contents, kernel_socket, kinds, of, states, texts
from stock_servers import StockServer, jupyter_server


@pytest.fixture(scope="module")
def lab(gateway: StockServer) -> Iterator[StockServer]:
    arguments = (f"--gateway-url={gateway.url}", f"--GatewayClient.auth_token={gateway.token}")
    with jupyter_server(*arguments, module="jupyterlab") as lab:
        yield lab


@pytest.fixture(scope="module")
def kernel_id(lab: StockServer) -> str:
    """A kernel that the tests of this module share; the last of them deletes it."""
    return str(lab.start_kernel()["id"])


@pytest.fixture
def channels(lab: StockServer, kernel_id: str) -> Iterator[KernelSocket]:
    """Towards its own clients too, JupyterLab speaks the older layout for a gateway's kernels."""
    with kernel_socket(lab, kernel_id, subprotocol=None) as channels:
        channels.wait_for_kernel()
        yield channels


def test_the_gateways_kernel_specs_are_labs(lab: StockServer, gateway: StockServer):
    assert (
        lab.get("/api/kernelspecs")["kernelspecs"].keys()
        == gateway.get("/api/kernelspecs")["kernelspecs"].keys()
    )


def test_the_kernel_is_the_gateways(gateway: StockServer, kernel_id: str):
    assert gateway.get(f"/api/kernels/{kernel_id}")["id"] == kernel_id


def test_a_cell_runs(channels: KernelSocket):
    told = channels.execute("print('far', flush=True)\n6 * 7")
    assert texts(told) == "far\n"
    assert contents(told, "execute_result")[0]["data"] == {"text/plain": "42"}


def test_a_cell_asks_for_input(channels: KernelSocket):
    asked = channels.send(
        "execute_request", {"code": "print(input('who? '))", "silent": False, "allow_stdin": True}
    )
    channels.until(lambda told: "input_request" in kinds(of(told, asked)))
    channels.send("input_reply", {"value": "ada", "status": "ok"}, "stdin")
    assert texts(channels.answers(asked)) == "ada\n"


def test_a_cell_is_interrupted(lab: StockServer, kernel_id: str, channels: KernelSocket):
    asked = channels.send("execute_request", {"code": "print('on', flush=True)\nimport time; time.sleep(60)"})
    told = channels.until(lambda told: "stream" in kinds(of(told, asked)))
    assert lab.ask("POST", f"/api/kernels/{kernel_id}/interrupt").status_code == 204
    told = channels.until(lambda told: "idle" in states(of(told, asked)), told)
    assert contents(told, "error")[0]["ename"] == "KeyboardInterrupt"


def test_a_kernel_is_restarted(lab: StockServer, kernel_id: str, channels: KernelSocket):
    channels.execute("remembered = 1")
    assert lab.ask("POST", f"/api/kernels/{kernel_id}/restart").status_code == 200
    assert channels.value("'remembered' in globals()") == "False"


def test_a_notebook_gets_a_session(lab: StockServer, gateway: StockServer, kernel_id: str):
    body = {"path": "a.ipynb", "name": "a", "type": "notebook", "kernel": {"id": kernel_id}}
    session = lab.ask("POST", "/api/sessions", body).json()
    assert session["kernel"]["id"] == kernel_id


def test_a_deleted_kernel_is_gone_here_and_there(lab: StockServer, gateway: StockServer, kernel_id: str):
    assert lab.ask("DELETE", f"/api/kernels/{kernel_id}").status_code == 204
    assert gateway.ask("GET", f"/api/kernels/{kernel_id}").status_code == 404
    assert lab.ask("GET", f"/api/kernels/{kernel_id}").status_code == 404
