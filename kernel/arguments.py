"""What is typed after ``%%gpu`` and ``%gpu``; pure."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from farcell.remote_runtime.api import Walls
from farcell.remote_runtime.api.duration import parse_duration
from farcell.remote_runtime.errors import BadRequest

CELL_USAGE = (
    "%%gpu [REQUEST] [-n NAME] [--idle 10s] [--timeout 1h] [--network egress] [--isolation sandbox] [-q | --bg] "
    "[--image IMAGE] [--pip PACKAGE ...]"
)


@dataclass(frozen=True, slots=True)
class CellArguments:
    """The line of a ``%%gpu`` cell; what was left out is None."""

    request: str | None = None
    name: str | None = None
    idle_s: float | None = None
    timeout_s: float | None = None
    quiet: bool = False
    in_background: bool = False
    walls: Walls = field(default_factory=Walls)
    image: str | None = None
    pip: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """The line of ``%gpu``: `operands` are what follows the verb."""

    verb: str
    operands: tuple[str, ...] = ()


class _Parser(argparse.ArgumentParser):
    """Raises `BadRequest` where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        raise BadRequest(f"{message}; usage: {CELL_USAGE}")


def _cell_parser() -> _Parser:
    parser = _Parser(prog="%%gpu", add_help=False, allow_abbrev=False)
    parser.add_argument("request", nargs="*")
    parser.add_argument("-n", "--name")
    parser.add_argument("--idle")
    parser.add_argument("--timeout")
    parser.add_argument("--network")
    parser.add_argument("--isolation")
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("--bg", action="store_true")
    parser.add_argument("--image")
    parser.add_argument("--pip", nargs="+", action="extend", default=[])
    return parser


def parse_cell(line: str) -> CellArguments:
    """Raises `BadRequest`, with the usage, for a line that can't be read."""
    known = _cell_parser().parse_args(_split(line))
    if known.bg and known.quiet:
        raise BadRequest("a job is known by the line under its cell: --bg and -q don't go together")
    return CellArguments(
        request=re.sub(r"\s*,\s*|\s+", ",", " ".join(known.request)) or None,
        name=known.name,
        idle_s=None if known.idle is None else parse_duration(known.idle),
        timeout_s=None if known.timeout is None else parse_duration(known.timeout),
        quiet=known.quiet,
        in_background=known.bg,
        walls=Walls.parse(known.isolation, known.network),
        image=known.image,
        pip=tuple(known.pip),
    )


def parse_command(line: str, verbs: Sequence[str]) -> Command:
    """Without a verb it is ``status``; raises `BadRequest`, with the verbs, for an unknown one."""
    verb, *operands = _split(line) or ["status"]
    if verb not in verbs:
        raise BadRequest(f"there is no '%gpu {verb}'; there are: {', '.join(verbs)}")
    return Command(verb, tuple(operands))


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise BadRequest(f"{line!r} can't be read: {error}") from error
