"""jupyter-kernel-client: a kernel of a server as an object.

By itself it sends the token of its WebSocket in the query, which the gateway does not look at; its option `headers`
sends it where it belongs. Its release 1.0.2 reads no message in the v1 layout, whoever sends it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jupyter_kernel_client import JupyterKernelClient, JupyterSubprotocol
from stock_servers import StockServer


@pytest.fixture
def kernel(gateway: StockServer, spec: str) -> Iterator[JupyterKernelClient]:
    kernel = JupyterKernelClient(
        server_url=gateway.url,
        token=gateway.token,
        headers={"Authorization": f"Bearer {gateway.token}"},
        client_kwargs={"subprotocol": JupyterSubprotocol.DEFAULT},
    )
    kernel.start(name=spec)
    yield kernel
    kernel.stop(shutdown_kernel=True)


def test_cells_run_and_keep_their_variables(kernel: JupyterKernelClient):
    kernel.execute("a = 6")
    answer = kernel.execute("print('far')\na * 7")
    assert answer["status"] == "ok"
    assert [output["output_type"] for output in answer["outputs"]] == ["stream", "execute_result"]
    assert answer["outputs"][1]["data"] == {"text/plain": "42"}


def test_an_error_is_an_output(kernel: JupyterKernelClient):
    answer = kernel.execute("1 / 0")
    assert (answer["status"], answer["outputs"][0]["ename"]) == ("error", "ZeroDivisionError")


def test_input_is_asked_for(kernel: JupyterKernelClient):
    def answer(_message: object) -> None:
        kernel._manager.client.input("ada")

    outputs = kernel.execute("print(input('who? '))", allow_stdin=True, stdin_hook=answer)["outputs"]
    assert outputs[0]["text"] == "ada\n"


def test_a_restart_forgets(kernel: JupyterKernelClient):
    kernel.execute("remembered = 1")
    kernel.restart()
    assert kernel.execute("'remembered' in globals()")["outputs"][0]["data"] == {"text/plain": "False"}


def test_what_is_told_of_the_kernel(kernel: JupyterKernelClient, gateway: StockServer):
    kernel.execute("pass")
    assert kernel.last_activity is not None
    assert kernel.id in [one["id"] for one in gateway.get("/api/kernels")]
