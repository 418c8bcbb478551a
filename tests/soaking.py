"""A pytest plugin: how much `make soak` does, and the table that it writes of what came of it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

FULL = 1200
SEEDS = int(os.environ.get("SOAK_SEEDS", FULL))
"""Of the links; the other parts do as much more or less as this differs from `FULL`."""
COLUMNS = ("seeds", "lines", "cuts", "lost", "repeated", "twice or never run")
PREFACE = """# The soak: what holds over many seeds

`make soak` wrote this table; `make soak SOAK_SEEDS=1000` does more. A seed that went wrong is named with its failure.

- **Links**: a seed chooses a cell that prints, shows, updates and asks, and 2 to 6 faults of the links before and
  behind the gateway while it runs: connections closed, reset, silent without a word, slowed to 1 KB/s, delayed,
  refused, cut after so many bytes; and gateways killed. What the client showed is compared, piece by piece, with what
  the cell is written to show; a file on disk counts how often it ran. *Cold*: the session is not there yet, so that the
  faults, more of them killed gateways, come while it is queued and starts; one lease must have been enough.
  *Containers*: both kinds, with an engine's containers in place of processes.
- **Journal** and **stream**: histories by hypothesis, and writers killed while they write and compact.
- **Volumes**: histories by hypothesis of two writers, a reader, garbage collection without grace and crashes at every
  operation of the store; and committers and collectors killed while both run.
- **REST** and **WebSockets**: what schemathesis makes of the API's own description, a seed is a request; and garbage in
  place of messages, of which each is one.

Lines are lines and displays; cuts are links cut and processes killed.
"""


def share(of: int) -> int:
    """What a part does that does so much beside `FULL` seeds of the links."""
    return max(1, of * SEEDS // FULL)


@dataclass(slots=True)
class Part:
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Table:
    """By part, in the order in which they came."""

    began: float = field(default_factory=time.monotonic)
    parts: dict[str, Part] = field(default_factory=dict)

    def part(self, name: str) -> Part:
        return self.parts.setdefault(name, Part())

    def text(self) -> str:
        head = ("part", *COLUMNS, "failures", "time")
        rows = [head, ("---", *("--:" for _ in COLUMNS), "---", "--:")]
        for name, part in self.parts.items():
            counts = (str(part.counts[column]) if column in part.counts else "" for column in COLUMNS)
            rows.append((name, *counts, "; ".join(part.failures) or "none", _minutes(part.seconds)))
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def page(self) -> str:
        minutes = (time.monotonic() - self.began) / 60
        ran = f"`make soak SOAK_SEEDS={SEEDS}`, {minutes:.0f} minutes on {os.cpu_count()} cores"
        return f"{PREFACE}\n{datetime.now(UTC):%Y-%m-%d}, {ran}:\n\n{self.text()}\n"


def _minutes(seconds: float) -> str:
    """Nothing for a part that was done together with another."""
    return f"{seconds / 60:.1f} min" if seconds else ""


_table: pytest.StashKey[Table] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak-report", type=Path, help="where to write the table of the tests marked `soak`")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_table] = Table()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    marker = item.get_closest_marker("soak")
    if marker is not None:
        part = item.config.stash[_table].part(marker.args[0] if marker.args else item.nodeid)
        part.seconds += call.duration
        if report.when == "call":
            part.counts.update(marker.kwargs)
        if report.failed:
            part.failures.append(f"`{item.name}`")
    return report


@pytest.fixture
def soaked(pytestconfig: pytest.Config) -> Callable[[str], Part]:
    """By a part's name what is told of it, for tests that know more than how many seeds they were."""
    return pytestconfig.stash[_table].part


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    table, report = terminalreporter.config.stash[_table], terminalreporter.config.getoption("--soak-report")
    if table.parts:
        terminalreporter.write_line(f"\n{table.text()}")
    if report:
        report.write_text(table.page())
