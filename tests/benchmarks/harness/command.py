"""The command line that all benchmarks have."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from .contenders import DriverFailed, running
from .machine import machine_facts, today, versions
from .model import Benchmark, Sample
from .peers import peers_python
from .report import Report, show, show_steps, write_json, write_markdown
from .rounds import measure_rounds
from .summary import explain, summarise


def main(benchmark: Benchmark, arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark as the command line says; returns the exit code. Nothing fails for being slow."""
    options = _parser(benchmark).parse_args(arguments)
    console = Console()
    chosen = _chosen(benchmark, options.only)
    try:
        report, samples = _run(chosen, options)
    except DriverFailed as failure:
        console.print(str(failure), style="red", markup=False, highlight=False)
        return 1
    show(report, console)
    if options.explain:
        show_steps(report, console)
    if options.write:
        write_markdown(report, options.write)
    if options.json:
        write_json(report, samples, options.json)
    return 0


def _parser(benchmark: Benchmark) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=benchmark.title)
    add = parser.add_argument
    add("--rounds", type=int, help=f"rounds that count (default {benchmark.rounds})")
    add(
        "--quick",
        action="store_true",
        help=f"{benchmark.quick_rounds} rounds: shows that it works, not how fast",
    )
    add(
        "--only",
        action="append",
        metavar="TEXT",
        help="contenders with that in their name, beside the baseline",
    )
    add("--explain", action="store_true", help="where the time goes, for contenders that can tell")
    add("--write", type=Path, metavar="PAGE", help="puts the result into a Markdown page")
    add("--json", type=Path, metavar="FILE", help="writes every sample")
    return parser


def _chosen(benchmark: Benchmark, only: Sequence[str] | None) -> Benchmark:
    if not only:
        return benchmark
    kept = [
        one
        for one in benchmark.contenders
        if one.name == benchmark.baseline or any(text in one.name for text in only)
    ]
    return replace(benchmark, contenders=kept)


def _run(benchmark: Benchmark, options: argparse.Namespace) -> tuple[Report, list[Sample]]:
    rounds = options.rounds or (benchmark.quick_rounds if options.quick else benchmark.rounds)
    machine, peers = machine_facts(), peers_python()
    samples = _measure(benchmark, rounds, peers)
    steps = [(one.name, explain(samples, one.name)) for one in benchmark.contenders]
    report = Report(
        benchmark=benchmark,
        rows=summarise(benchmark, samples),
        steps=[(name, found) for name, found in steps if found],
        day=today(),
        machine=machine,
        versions=versions(peers),
        command=_line(benchmark.name, rounds, options.only or ()),
        rounds=rounds,
    )
    return report, samples


def _line(name: str, rounds: int, only: Sequence[str]) -> str:
    """What repeats a run."""
    words = ["python", f"tests/benchmarks/{name}.py", "--rounds", str(rounds)]
    return shlex.join([*words, *(word for text in only for word in ("--only", text))])


def _measure(benchmark: Benchmark, rounds: int, peers: Path) -> list[Sample]:
    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        bar = progress.add_task(f"{benchmark.name}: starting", total=benchmark.warm_up + rounds)
        with running(benchmark, peers) as drivers:
            progress.update(bar, description=benchmark.name)
            return measure_rounds(
                benchmark,
                rounds,
                lambda name, request: drivers[name].measure(request),
                lambda _: progress.advance(bar),
            )
