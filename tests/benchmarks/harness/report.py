"""Results for people and programs: a table in the terminal, a section in a Markdown page, a JSON file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .model import Benchmark, Row, Sample

_SCALE = {"µs": 1e6, "ms": 1e3, "s": 1.0, "KB": 1e-3}
_INTRODUCTION = """\
# Benchmarks

Every ratio compares medians of one run, in which all contenders took turns. Figures of different runs or machines
do not compare. Each section names the command that makes it anew.
"""
_COLUMNS = ("task", "contender", "p50", "p95", "to baseline", "aim")
_LOST = "lost"
"""The column that stands behind the others where anybody lost anything."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run found; `command` is the line that repeats it."""

    benchmark: Benchmark
    rows: Sequence[Row]
    steps: Sequence[tuple[str, Sequence[tuple[str, float]]]]
    """For each contender with traces: its steps with their offsets in seconds."""
    day: str
    machine: str
    versions: str
    command: str
    rounds: int

    def columns(self) -> tuple[str, ...]:
        return (*_COLUMNS, _LOST) if self._lossy() else _COLUMNS

    def cells(self) -> list[tuple[str, ...]]:
        return [self._cells(row) for row in self.rows]

    def _lossy(self) -> bool:
        return any(row.lost for row in self.rows)

    def _cells(self, row: Row) -> tuple[str, ...]:
        task = next(task for task in self.benchmark.tasks if task.name == row.task)
        scale = _SCALE.get(task.unit, 1.0)
        aim = task.aim if row.ours else ""
        ratio = "1" if row.contender == self.benchmark.baseline else f"{row.ratio:.2f}"
        p50, p95 = (f"{value * scale:.2f} {task.unit}" for value in (row.p50, row.p95))
        lost = (f"{row.lost:.2%}" if row.lost else "nothing",) if self._lossy() else ()
        return row.task, row.contender, p50, p95, ratio, aim, *lost

    def facts(self) -> list[str]:
        warm_up = self.benchmark.warm_up
        rounds = f"{self.rounds} interleaved rounds after {warm_up} that are dropped"
        return [f"{self.day}: {rounds}", self.machine, self.versions, *self.benchmark.notes]


def show(report: Report, console: Console) -> None:
    table = Table(*report.columns(), title=report.benchmark.title)
    for row, cells in zip(report.rows, report.cells(), strict=True):
        table.add_row(*cells, style="bold" if row.ours else "")
    console.print(table)
    for fact in report.facts():
        console.print(fact, style="dim", highlight=False)


def show_steps(report: Report, console: Console) -> None:
    for contender, steps in report.steps:
        table = Table("at", "after", "step", title=f"{contender}: medians, ms")
        before = 0.0
        for step, offset_s in steps:
            table.add_row(f"{offset_s * 1000:.0f}", f"+{(offset_s - before) * 1000:.0f}", step)
            before = offset_s
        console.print(table)


def to_markdown(report: Report) -> str:
    """The benchmark's section, its heading included."""
    columns = report.columns()
    table = [columns, ("---",) * len(columns), *report.cells()]
    lines = [
        f"## {report.benchmark.name}",
        "",
        f"{report.benchmark.title}.",
        "",
        f"```\n{report.command}\n```",
        "",
        *(f"- {fact}" for fact in report.facts()),
        "",
        *(f"| {' | '.join(cells)} |" for cells in table),
    ]
    return "\n".join(lines) + "\n"


def put_section(page: str, section: str) -> str:
    """The page with that section in place of the one of the same heading, or at its end."""
    heading = section.partition("\n")[0]
    before, *sections = (page or _INTRODUCTION).split("\n## ")
    others = ["## " + one for one in sections]
    titles = [one.partition("\n")[0] for one in others]
    if heading in titles:
        others[titles.index(heading)] = section
    else:
        others.append(section)
    return "\n\n".join(part.strip() for part in (before, *others)) + "\n"


def write_markdown(report: Report, path: Path) -> None:
    page = path.read_text("utf-8") if path.exists() else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(put_section(page, to_markdown(report)), "utf-8")


def write_json(report: Report, samples: Sequence[Sample], path: Path) -> None:
    facts = {"benchmark": report.benchmark.name, "facts": report.facts(), "command": report.command}
    rows, raw = [asdict(row) for row in report.rows], [asdict(sample) for sample in samples]
    path.write_text(json.dumps({**facts, "rows": rows, "samples": raw}, indent=1), "utf-8")
