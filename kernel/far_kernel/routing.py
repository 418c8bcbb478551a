"""Which of a front end's requests are for the far kernel; pure."""

from __future__ import annotations

import re
from enum import Enum

import msgspec


class Place(Enum):
    HERE = "here"
    FAR = "far"


class _Content(msgspec.Struct):
    code: str = ""
    silent: bool = False
    store_history: bool | None = None
    stop_on_error: bool = True
    comm_id: str = ""


_content = msgspec.json.Decoder(_Content)

COMM_TYPES = frozenset({"comm_open", "comm_msg", "comm_close"})

FOLLOWS_CELLS = COMM_TYPES | frozenset(
    {
        "complete_request",
        "inspect_request",
        "history_request",
        "is_complete_request",
        "comm_info_request",
        "usage_request",
        "debug_request",
        "create_subshell_request",
        "delete_subshell_request",
        "list_subshell_request",
    }
)
"""Asked where the notebook's variables are: far while a far kernel is attached, else here."""

_LOCAL = re.compile(r"\s*%%local\b[^\n]*(\n|$)")
_OWN_LINE = re.compile(r"%gpu\b")


class Execution(msgspec.Struct, frozen=True):
    """What an ``execute_request`` is: a *cell* is what the user ran; anything else is a front end's hidden code."""

    is_cell: bool
    place: Place
    stop_on_error: bool


def execution(content: bytes) -> Execution:
    """Raises `msgspec.MsgspecError` for content that is none."""
    known = _content.decode(content)
    is_cell = not known.silent and known.store_history is not False
    return Execution(is_cell, place_of(known.code), known.stop_on_error)


def place_of(code: str) -> Place:
    """Here: a cell that says ``%%local``, one for Farcell's own magic, and one with nothing but ``%gpu`` lines."""
    return Place.HERE if _LOCAL.match(code) or _is_own(code) else Place.FAR


def names_own_magic(code: str) -> bool:
    """Whether Farcell's magics may be needed for code that runs here."""
    return re.search(r"^\s*%%?gpu\b|run_(line|cell)_magic", code, re.MULTILINE) is not None


def _is_own(code: str) -> bool:
    """Of nothing but own magics, since a cell runs in one place: above other code, the far kernel refuses ``%gpu``."""
    if re.match(r"\s*%%gpu\b", code):
        return True
    said = [line for line in map(str.strip, code.splitlines()) if line and not line.startswith("#")]
    return bool(said) and all(_OWN_LINE.match(line) for line in said)


def asks_here(content: bytes) -> bool:
    """Whether a completion or an inspection is of code that runs here."""
    return place_of(_content.decode(content).code) is Place.HERE


def comm_id(content: bytes) -> str:
    return _content.decode(content).comm_id


def without_local(lines: list[str]) -> list[str]:
    """An input transformer of IPython's: ``%%local`` says where a cell runs, and is then an empty line."""
    cell = "".join(lines)
    found = _LOCAL.match(cell)
    if found is None:
        return lines
    empty = "\n" * found.group().count("\n")
    return (empty + cell[found.end() :]).splitlines(keepends=True)
