"""Runs quickstart.ipynb cell by cell and shows what a reader of the notebook would see, as it comes.

``--write`` keeps the outputs in the notebook. The exit status is 0 when every cell did what it should.

The demo has a gateway of its own, with its data under build/demo, and ends it with all that it started.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import nbformat
import psutil
from nbclient.exceptions import CellControlSignal, CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from notebook_screen import LiveNotebook, Screen
from rich.console import Console

from farcell.remote_runtime.api import default_table
from farcell.remote_runtime.client import connect
from farcell.remote_runtime.embedded_facts import EmbeddedFacts
from farcell.remote_runtime.errors import GatewayNotRunning
from farcell.remote_runtime.spawners.nvml import Nvml
from farcell.remote_runtime.spawners.offers import gpu_name

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"
DATA = ROOT / "build" / "demo"
WRITTEN_FOR = "H100"
SIMULATED = "H100:2,T4:4"
CELL_TIMEOUT_S = 300
END_TIMEOUT_S = 30
FAILURES = (CellControlSignal, CellTimeoutError, DeadKernelError, AssertionError)


def main() -> int:
    write = arguments().write
    screen = Screen(Console(highlight=False))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    started = time.monotonic()
    try:
        with own_gateway():
            use_devices(notebook, screen)
            run(notebook, screen)
    except FAILURES as error:
        screen.console.print(f"\n[bold red]The demo failed.[/] {explain(error)}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        screen.console.print("\nInterrupted: everything that the demo started was ended.")
        return 128 + signal.SIGINT
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    took_s = time.monotonic() - started
    screen.console.print(
        f"\n[bold green]All {cells} cells did what they should[/], in {took_s:.0f} s. "
        "Everything that the demo started was ended."
    )
    if write:
        nbformat.write(without_this_machine(notebook), NOTEBOOK)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs examples/quickstart.ipynb and shows it as it goes.")
    parser.add_argument("--write", action="store_true", help="keep the outputs in the notebook")
    return parser.parse_args()


def use_devices(notebook: NotebookNode, screen: Screen) -> None:
    """Real devices where there are any; else simulated ones, which are asked for before the gateway starts."""
    nvml = Nvml()
    devices, why_none = nvml.devices(), nvml.availability().value
    nvml.close()
    if not devices:
        os.environ["FARCELL_SIMULATE"] = SIMULATED
        screen.prose(
            f"*Simulated devices are used, since {why_none}. They have names and prices, and are marked as simulated "
            "wherever they appear. The processes are real, and compute on the CPU.*"
        )
        return
    name = gpu_name(devices[0].product, default_table())
    screen.prose(f"*This machine has {devices[0].product}: the cells run on it.*")
    if name != WRITTEN_FOR:
        for cell in notebook.cells:
            cell.source = cell.source.replace(WRITTEN_FOR, name)


def run(notebook: NotebookNode, screen: Screen) -> None:
    """Executes the cells in order; raises one of `FAILURES` at the first that does not what it should."""
    client = LiveNotebook(
        notebook, screen, timeout=CELL_TIMEOUT_S, kernel_name="python3", shutdown_kernel="immediate"
    )
    number = 0
    DATA.mkdir(parents=True, exist_ok=True)
    with (DATA / "kernel.log").open("w") as log, client.setup_kernel(stdout=log, stderr=log):
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type == "markdown":
                screen.prose(cell.source)
                continue
            number += 1
            screen.source(number, cell.source)
            client.execute_cell(cell, index)
            check(cell)


def check(cell: NotebookNode) -> None:
    """What an unexpected exception does not tell: that an expected one came, and the picture."""
    tags = cell.metadata.get("tags", [])
    if "raises-exception" in tags:
        assert any(output.output_type == "error" for output in cell.outputs), "the cell raised nothing"
    if "shows-image" in tags:
        assert any("image/png" in output.get("data", {}) for output in cell.outputs), "there is no picture"


def explain(error: BaseException) -> str:
    """A cell's traceback has been shown already."""
    return "A cell raised what it should not." if isinstance(error, CellExecutionError) else str(error)


# --- the demo's own gateway ---


@contextmanager
def own_gateway() -> Iterator[None]:
    """Apart from the user's; it starts with the first far request. What an earlier run left is ended first."""
    os.environ["FARCELL_DATA_DIR"] = str(DATA)
    os.environ.pop("FARCELL_SIMULATE", None)
    asyncio.run(end_gateway())
    try:
        yield
    finally:
        asyncio.run(end_gateway())


async def end_gateway() -> None:
    """Ends the gateway with its sessions and returns when its process is gone; silent when none runs."""
    facts = EmbeddedFacts.read(DATA)
    try:
        client = await connect(start=False)
    except GatewayNotRunning:
        return
    with closing(client):
        await client.post_json("/farcell/v1/shutdown", {})
    if facts is not None and psutil.pid_exists(facts.pid):
        psutil.Process(facts.pid).wait(END_TIMEOUT_S)


def without_this_machine(notebook: NotebookNode) -> NotebookNode:
    """What a kept notebook need not tell: where this checkout and this home lie, and which Python ran it."""
    text = nbformat.writes(notebook)
    for path, name in ((ROOT, "farcell"), (Path.home(), "~")):
        text = text.replace(str(path), name)
    kept = nbformat.reads(text, as_version=4)
    kept.metadata["language_info"] = {"name": "python"}
    for cell in kept.cells:
        cell.metadata.pop("execution", None)
    return kept


if __name__ == "__main__":
    sys.exit(main())
