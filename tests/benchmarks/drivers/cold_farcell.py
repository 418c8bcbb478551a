"""From ``%%gpu`` without a session to its first output; the argument says how much is there before.

``running``: the gateway; ``down``: its folder, from an earlier time; ``nothing``: not even that.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from farcell_cells import end_gateway, new_spec, wait_for
from lease_trace import Step, steps_of
from serving import Measure, serve

from farcell.remote_runtime import config
from farcell.remote_runtime.client.blocking import Client
from farcell.remote_runtime.client.cell import Began, CellSource, Ended, Output, new_header


def start_and_run(code: str) -> dict[str, Any]:
    began, began_at = time.perf_counter(), time.time()
    with closing(Client()) as client:
        cell = client.run_cell(CellSource(code, new_header()), new_spec())
        wait_for(cell, Began)
        begun_at = time.time()
        wait_for(cell, Output)
        took_s = time.perf_counter() - began
        wait_for(cell, Ended)
        assert cell.session is not None
        own = [("client: the cell runs", begun_at), ("client: first output", began_at + took_s)]
        steps = _since(began_at, began_at + took_s, [*own, *steps_of(client, cell.session.id)])
        client.stop(cell.session.id)
    return {"value": took_s, "trace": steps}


def _since(began_at: float, ended_at: float, steps: list[Step]) -> list[Step]:
    """Only what happened meanwhile; logs tell milliseconds."""
    return [(step, at - began_at) for step, at in steps if began_at - 0.001 <= at <= ended_at + 0.001]


@contextmanager
def far_sessions(before: str) -> Iterator[Measure]:
    def measure(code: str) -> dict[str, Any]:
        measured = start_and_run(code)
        if before != "running":
            end_gateway()
        if before == "nothing":
            shutil.rmtree(config.data_dir())
        return measured

    yield measure
    end_gateway()


if __name__ == "__main__":
    serve(far_sessions(sys.argv[1]))
