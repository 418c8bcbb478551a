"""What the engine's builder is given for an image: the text of a Dockerfile, and what its context holds; pure.

Two builds make an image: its base is finished once (`finishing`), and the definition's steps come on top (`stepping`).
Every word of a definition is data here: commands are lists in JSON, and what the builder would expand is escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...api import Image
from ...api.image import Step, StepKind
from ...api.image_steps import describe, variables
from ...errors import ImageNotSupported
from . import layout
from .finishing import PROGRAMS, TOOLS, VARIABLES

LONGEST_LINE = 60_000
"""In bytes; the engine's parser takes 65,535."""
OWNER = f"{layout.KERNEL_UID}:{layout.KERNEL_UID}"
_PLAIN = re.compile(r"[A-Za-z0-9_./-]", re.ASCII)


@dataclass(frozen=True, slots=True)
class ProgramEntry:
    """A file in the context: its content, or where that is on the gateway's machine."""

    name: str
    content: bytes | Path


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A folder in the context: what the archive of this SHA-256 holds."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """One build. `owners` has, for each instruction of `text`, the step that it belongs to, counted from 1.

    `arguments` are build arguments: what instructions can't say, or what is not to stay in the image.
    """

    text: str
    owners: tuple[int, ...]
    entries: tuple[ProgramEntry | ArchiveEntry, ...]
    arguments: Mapping[str, str]


class _Lines:
    """Instructions as they are written down, and whose they are."""

    def __init__(self, base: str, arguments: Mapping[str, str]) -> None:
        self.texts: list[str] = []
        self.owners: list[int] = []
        self.entries: list[ProgramEntry | ArchiveEntry] = []
        self.arguments = dict(arguments)
        self.step = 1
        self.add("FROM", base)
        if arguments:
            self.add("ARG", *sorted(arguments))

    def add(self, *words: str) -> None:
        self.texts.append(" ".join(words))
        self.owners.append(self.step)

    def run(self, *command: str) -> None:
        self.add("RUN", _list(command))

    def recipe(self) -> Recipe:
        longest = max(range(len(self.texts)), key=lambda number: len(self.texts[number].encode()))
        if len(self.texts[longest].encode()) > LONGEST_LINE:
            raise ImageNotSupported(
                f"step {self.owners[longest]} of the image is longer than {LONGEST_LINE} bytes, more than the engine's "
                "builder takes: divide it, or put it into a file that copy() brings"
            )
        text = "".join(f"{line}\n" for line in self.texts)
        return Recipe(text, tuple(self.owners), tuple(self.entries), self.arguments)


def finishing(base: str, python_version: str | None, uv: Path, arguments: Mapping[str, str]) -> Recipe:
    """Makes `base`, an image's id, ready for kernels; `arguments` are environment variables of the build alone."""
    lines = _Lines(base, arguments)
    programs: dict[str, bytes | Path] = {**PROGRAMS, "uv": uv}
    lines.entries += [ProgramEntry(f"tools/{name}", content) for name, content in programs.items()]
    lines.add("USER", "0:0")
    lines.add("COPY", _list(["tools/", f"{TOOLS}/"]))
    lines.run("/bin/sh", f"{TOOLS}/finish.sh", python_version or "")
    lines.add("ENV", VARIABLES)
    lines.add("WORKDIR", layout.WORK)
    return lines.recipe()


def stepping(finished: str, image: Image, arguments: Mapping[str, str]) -> Recipe:
    """Carries out the steps of `image` on a finished base; they count from 2, as the base is step 1."""
    lines = _Lines(finished, arguments)
    for number, step in enumerate(image.steps, start=2):
        lines.step = number
        _STEPS[step.kind](lines, step)
    return lines.recipe()


def step_names(image: Image, base: str) -> list[str]:
    """What each step does, for people; the first is the base."""
    return [f"base {base}", *map(describe, image.steps)]


# --- steps ---


def _pip(lines: _Lines, step: Step) -> None:
    lines.run(f"{layout.ENVIRONMENT}/bin/python", "-I", f"{TOOLS}/finish.py", "pip", *step.words)


def _apt(lines: _Lines, step: Step) -> None:
    lines.run("/bin/sh", f"{TOOLS}/apt.sh", *step.words)


def _run(lines: _Lines, step: Step) -> None:
    for command in step.words:
        lines.run("/bin/sh", f"{TOOLS}/run.sh", command)


def _env(lines: _Lines, step: Step) -> None:
    words = []
    for name, value in variables(step).items():
        word = _escaped(value)
        if "\n" in value or "\r" in value:  # an instruction is one line, but an argument's value may have any
            argument = f"FARCELL_ENV_{len(lines.arguments)}"
            lines.arguments[argument] = value
            lines.add("ARG", argument)
            word = f"${argument}"
        words.append(f"{name}={word}")
    lines.add("ENV", *words)


def _copy(lines: _Lines, step: Step) -> None:
    sha256, folder = step.words
    source = f"files/{sha256}"
    entry = ArchiveEntry(source, sha256)
    if entry not in lines.entries:
        lines.entries.append(entry)
    lines.add("COPY", f"--chown={OWNER}", _list([f"{source}/", f"{_escaped(folder).rstrip('/')}/"]))


_STEPS = {
    StepKind.PIP: _pip,
    StepKind.APT: _apt,
    StepKind.RUN: _run,
    StepKind.ENV: _env,
    StepKind.COPY: _copy,
}


# --- words ---


def _list(words: Sequence[str]) -> str:
    """In JSON: one line, without anything that a parser of Dockerfiles takes for more than text (``<<``)."""
    return json.dumps(list(words), ensure_ascii=False).replace("<", "\\u003c")


def _escaped(text: str) -> str:
    """As the builder's expansion of variables gives it back: each special character after a backslash.

    Special is what is not known to be plain: the builder takes spaces of all Unicode for the end of a word.
    """
    return "".join(one if _PLAIN.match(one) else f"\\{one}" for one in text)
