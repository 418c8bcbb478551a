"""A pytest plugin: the table of what the escape suite's attacks came to, which it prints and can write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

LEVELS = ("none", "container", "sandbox")
PREFACE = """# What a cell can reach

Each row is a program that a cell ran against the machine under it, in a lease with each kind of walls, as the escape
suite's tests do (`tests/escape`). The table is what they printed, by
`pytest tests/escape --escape-report=docs/escapes.md`.
**held**: it got nothing. Otherwise: what it got.

- `none` is the process spawner. It is for one's own machine, and has no walls.
- `container` is the Docker spawner with `runc`, `sandbox` the same with gVisor's `runsc`.

Where the first column holds something, it does so because of limits of the gateway's own cgroup or of the user who runs
the tests.
"""


@dataclass(slots=True)
class Escapes:
    """By attack and kind of walls, what was got; None where something held."""

    verdicts: dict[str, dict[str, str | None]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def note(self, attack: Callable[..., object], level: str, got: str | None) -> None:
        """The first line of the attack's docstring says what it tries."""
        self.names[attack.__name__] = (attack.__doc__ or "").partition("\n")[0].removesuffix(".")
        self.verdicts.setdefault(attack.__name__, {})[level] = got

    def text(self) -> str:
        head = ("attack", "what it tries", *LEVELS)
        rows = [head, ("---",) * len(head)]
        for name, what in self.names.items():
            rows.append((name.replace("_", " "), what, *(self._cell(name, level) for level in LEVELS)))
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def _cell(self, name: str, level: str) -> str:
        verdicts = self.verdicts[name]
        if level not in verdicts:
            return "not run"
        got = verdicts[level]
        return "**held**" if got is None else "open"

    def page(self) -> str:
        return f"{PREFACE}\n{datetime.now(UTC):%Y-%m-%d}:\n\n{self.text()}\n"


_escapes: pytest.StashKey[Escapes] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--escape-report", type=Path, help="where to write the table of the escape suite")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_escapes] = Escapes()


@pytest.fixture(scope="session")
def escapes(pytestconfig: pytest.Config) -> Escapes:
    """Where each attack's outcome is noted."""
    return pytestconfig.stash[_escapes]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    escapes, report = (
        terminalreporter.config.stash[_escapes],
        terminalreporter.config.getoption("--escape-report"),
    )
    if escapes.names:
        terminalreporter.write_line(f"\n{escapes.text()}")
    if report:
        report.write_text(escapes.page())
