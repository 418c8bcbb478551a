"""The same tests against Farcell's gateway and against Jupyter Server, which says what is right."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kernel_socket import V1, KernelSocket, kernel_socket
from stock_servers import StockServer, farcell_gateway, jupyter_server

SERVERS = {"gateway": farcell_gateway, "jupyter_server": jupyter_server}


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[StockServer]:
    with SERVERS[request.param]() as server:
        yield server


@pytest.fixture(scope="module")
def kernel_id(server: StockServer) -> Iterator[str]:
    """A kernel that the tests of a module share, and leave idle."""
    kernel_id = server.start_kernel()["id"]
    with kernel_socket(server, kernel_id) as channels:
        channels.wait_for_kernel()
    yield kernel_id
    server.ask("DELETE", f"/api/kernels/{kernel_id}")


@pytest.fixture(params=[V1, None], ids=["v1", "legacy"])
def subprotocol(request: pytest.FixtureRequest) -> str | None:
    return request.param


@pytest.fixture
def channels(server: StockServer, kernel_id: str, subprotocol: str | None) -> Iterator[KernelSocket]:
    with kernel_socket(server, kernel_id, subprotocol) as channels:
        channels.wait_for_kernel()
        yield channels
