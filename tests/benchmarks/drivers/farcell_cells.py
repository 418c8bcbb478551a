"""Far cells as ``%%gpu`` runs them: through the blocking client, events read on the main thread."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import closing

from farcell.remote_runtime.api import Request, SessionKey, SessionSpec
from farcell.remote_runtime.client import embedded
from farcell.remote_runtime.client.blocking import Client
from farcell.remote_runtime.client.cell import Began, CellRun, CellSource, Ended, Output, new_header
from farcell.remote_runtime.client.locate import embedded_gateway_to_end

ANSWER_S = 60.0


def new_spec() -> SessionSpec:
    """A session that is nobody's yet."""
    return SessionSpec(SessionKey("benchmark", secrets.token_hex(8), "H100"), Request.parse("H100"))


def run(client: Client, spec: SessionSpec, code: str) -> None:
    """Returns when the cell's `Ended` is there; raises for a cell that fails."""
    for _ in outputs(client, spec, code):
        continue


def outputs(client: Client, spec: SessionSpec, code: str) -> Iterator[Output]:
    """What a cell shows, until its `Ended` is there; raises for a cell that fails."""
    cell = client.run_cell(CellSource(code, new_header()), spec)
    while not isinstance(event := cell.next(ANSWER_S), Ended):
        if isinstance(event, Output):
            yield event
    if event.error is not None or (event.reply or {}).get("status") != "ok":
        raise event.error or RuntimeError(f"the cell failed: {event.reply}")


def wait_for(cell: CellRun, kind: type[Began | Output | Ended]) -> None:
    """Returns with the next event of that kind; raises why none will come."""
    while not isinstance(event := cell.next(ANSWER_S), kind):
        if isinstance(event, Ended):
            raise event.error or RuntimeError(f"the cell is over: {event.reply}")


def end_gateway() -> None:
    """Ends this driver's gateway with all its sessions; returns when its process is gone."""
    asyncio.run(_shut_down())
    embedded.wait_until_gone()


async def _shut_down() -> None:
    gateway = await embedded_gateway_to_end()
    if gateway is not None:
        with closing(gateway):
            await gateway.post_json("/farcell/v1/shutdown", {})
