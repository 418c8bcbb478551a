"""The real embedded gateway, with the process spawner and simulated devices, on a test's own data folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from farcell.remote_runtime.api import Request, SessionKey, SessionSpec, to_json
from farcell.remote_runtime.client import GatewayClient, connect
from farcell.remote_runtime.embedded_facts import EmbeddedFacts


@asynccontextmanager
async def embedded_gateway(folder: Path) -> AsyncIterator[GatewayClient]:
    """Started as the first `%%gpu` cell starts it; ended, with its leases, unless it is gone already."""
    client = await connect()
    process = gateway_process(folder)
    try:
        yield client
    finally:
        if process.is_running():
            await client.post_json("/farcell/v1/shutdown", {})
            await asyncio.to_thread(process.wait, 20)
        client.close()


def gateway_process(folder: Path) -> psutil.Process:
    facts = EmbeddedFacts.read(folder)
    assert facts is not None
    return psutil.Process(facts.pid)


def session_spec(request: str) -> object:
    """The body that asks for a session, in a notebook that is this test's alone."""
    key = SessionKey(machine="test", path="analysis.ipynb", name=request)
    return to_json(SessionSpec(key, Request.parse(request)))
