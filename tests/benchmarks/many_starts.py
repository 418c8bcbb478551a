"""Fifty cold containers at once: how many of their cells answer, and when.

``python tests/benchmarks/many_starts.py [--starts 50] [--write docs/benchmarks.md]``, as root: it starts the tests' own
Docker engine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).with_name("drivers")))

from docker_engine import running_engine
from farcell_cells import new_spec
from harness.machine import machine_facts, today
from served_machine import ServedMachine

from farcell.remote_runtime.client.blocking import Client
from farcell.remote_runtime.client.cell import CellRun, CellSource, Ended, Output, new_header

CODE = "print('here', flush=True)"
ANSWER_S = 600.0
START_S = 600.0
TITLE = "Many cold containers at once"


@dataclass(frozen=True, slots=True)
class Start:
    """`first_output_s` is None for a cell that never answered; `why` says how it ended."""

    first_output_s: float | None
    why: str = ""


def start_all(count: int) -> list[Start]:
    with running_engine() as engine:
        config = engine.config() + f"c.Gateway.start_s = {START_S}\n"
        with ServedMachine(config, f"H100:{count}") as machine:
            os.environ["FARCELL_DATA_DIR"] = str(machine.folder)
            with closing(Client()) as client, ThreadPoolExecutor(count) as threads:
                wait_for(client.run_cell(CellSource(CODE, new_header()), new_spec()), time.perf_counter())
                client.stop_all(lambda _: True)  # the image is there now, and the agent's environment
                began = time.perf_counter()
                cells = [client.run_cell(CellSource(CODE, new_header()), new_spec()) for _ in range(count)]
                return [*threads.map(wait_for, cells, [began] * count)]


def wait_for(cell: CellRun, began: float) -> Start:
    first_output_s = None
    while not isinstance(event := cell.next(ANSWER_S), Ended):
        if isinstance(event, Output) and first_output_s is None:
            first_output_s = time.perf_counter() - began
    return Start(first_output_s, str(event.error or ""))


def section(starts: Sequence[Start], machine: str) -> str:
    """For the page of benchmarks."""
    times = sorted(one.first_output_s for one in starts if one.first_output_s is not None)
    lost = [one.why for one in starts if one.first_output_s is None]
    p95 = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else max(times, default=float("nan"))
    row = f"| {len(starts)} | {len(lost)} | {statistics.median(times):.1f} s | {p95:.1f} s | {times[-1]:.1f} s |"
    return "\n".join(
        [
            f"## {TITLE}",
            "",
            "From asking for all of them at once to the first output of each, by the Docker spawner with `runc`.",
            "",
            "| starts | lost | p50 | p95 | last |",
            "| --: | --: | --: | --: | --: |",
            row,
            "",
            f"{today()}, {machine}. Simulated devices.",
            *(f"Lost: {why}" for why in lost),
        ]
    )


def write(page: Path, text: str) -> None:
    """Puts the section in the place of the one before, or at the end."""
    before, _, rest = page.read_text("utf-8").partition(f"## {TITLE}\n")
    _, heading, after = rest.partition("\n## ")
    page.write_text(f"{before.rstrip()}\n\n{text}\n{heading and chr(10)}{heading.lstrip()}{after}", "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=TITLE)
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--write", type=Path, metavar="PAGE")
    options = parser.parse_args()
    machine = machine_facts()
    text = section(start_all(options.starts), machine)
    sys.stdout.write(f"{text}\n")
    if options.write:
        write(options.write, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
