from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

import pytest
from farcell_command import Answer, Person

from farcell.remote_runtime.cli.application import main


class Typed(Protocol):
    def __call__(self, *words: str) -> Answer: ...


@pytest.fixture
def person(data_dir: Path) -> Person:
    """Whose data folder is the test's own: nothing of hers may outlive the test."""
    return Person(data_dir)


@pytest.fixture
def typed(person: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """What `person` is answered, without the time that a process of its own takes to start."""
    for name, value in person.environment().items():
        monkeypatch.setenv(name, value)

    def typed(*words: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["farcell", *words])
        return Answer(main(), *capsys.readouterr())

    return typed
