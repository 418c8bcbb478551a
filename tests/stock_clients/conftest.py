"""Stock clients, unmodified, and the gateway that they talk to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stock_servers import StockServer, farcell_gateway


@pytest.fixture(scope="session")
def gateway() -> Iterator[StockServer]:
    with farcell_gateway() as gateway:
        yield gateway


@pytest.fixture(scope="session")
def spec(gateway: StockServer) -> str:
    name: str = gateway.get("/api/kernelspecs")["default"]
    return name
