"""A ``requirements.txt`` as the words of one pip step."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from ..errors import BadRequest
from .image_steps import PIP_OPTIONS, check_requirement, check_url

_COMMENT = re.compile(r"(^|\s+)#.*$")
_SHORT = {
    "-i": "--index-url",
    "-f": "--find-links",
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
}


def read_requirements(path: Path) -> tuple[str, ...]:
    """Options first, then the packages of that file and of those that it includes.

    Raises `BadRequest` for what exists on this machine alone (``-e .``, paths), and for what a step can't keep
    (``--hash``, ``-c``): nothing is left out silently.
    """
    options: list[str] = []
    packages: list[str] = []
    _read(path.expanduser().absolute(), options, packages, ())
    if not packages:
        raise BadRequest(f"{path} names no package")
    return (*options, *dict.fromkeys(packages))


def _read(path: Path, options: list[str], packages: list[str], above: tuple[Path, ...]) -> None:
    if path in above:
        raise BadRequest(f"{path} includes itself")
    for number, line in _lines(path):
        if not line.startswith("-"):
            if " --" in line:
                raise BadRequest(
                    f"{path}:{number}: a step keeps no {line[line.index(' --') + 1 :].split('=')[0]}"
                )
            packages.append(_package(line, path, number))
            continue
        name, _, value = (
            line.replace("=", " ", 1).partition(" ") if line.startswith("--") else line.partition(" ")
        )
        name, value = _SHORT.get(name, name), " ".join(shlex.split(value))
        if name == "--requirement":
            _read(path.parent / value, options, packages, (*above, path))
        elif name in PIP_OPTIONS:
            words = [name, check_url(value)] if PIP_OPTIONS[name] else [name]
            options.extend(words if not _has(options, words) else [])
        else:
            raise BadRequest(f"{path}:{number}: {name} can't be kept in an image: copy() and run() can do it")


def _has(options: list[str], words: list[str]) -> bool:
    return any(options[at : at + len(words)] == words for at in range(len(options)))


def _package(line: str, path: Path, number: int) -> str:
    try:
        return check_requirement(line)
    except BadRequest as error:
        raise BadRequest(f"{path}:{number}: {error.message}") from error


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Logical lines: continued ones joined, without comments."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise BadRequest(f"the requirements {path} can't be read: {error}") from error
    joined, begin = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        begin = begin if joined else number
        if line.rstrip().endswith("\\") and not line.lstrip().startswith("#"):
            joined += line.rstrip()[:-1] + " "
            continue
        whole = _COMMENT.sub("", joined + line).strip()
        joined = ""
        if whole:
            yield begin, whole
    if joined.strip():
        yield begin, joined.strip()
