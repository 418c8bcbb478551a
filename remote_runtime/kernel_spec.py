"""What Jupyter has to know to start a Farcell kernel, installed or made for one run; pure."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from .api import Request, Walls

PROGRAM = "farcell.kernel"
_GPU = "--gpu"


@dataclass(frozen=True, slots=True)
class FarcellKernel:
    """A kernel whose cells run on what `request` asks for, within `walls`; `idle` is a duration as typed.

    `image` is a saved image's name or a registry's reference; `pip` are packages on top of it.
    """

    request: Request
    idle: str | None = None
    walls: Walls = field(default_factory=Walls)
    image: str | None = None
    pip: tuple[str, ...] = ()

    @property
    def default_name(self) -> str:
        """``farcell-h100-2``: letters, digits, ``-``, ``_`` and ``.`` are all that Jupyter allows."""
        words = " ".join(filter(None, ("farcell", str(self.request).lower(), self.walls.told)))
        return re.sub(r"[^a-z0-9._-]+", "-", words)

    @property
    def default_display_name(self) -> str:
        return f"Farcell ({', '.join(filter(None, (str(self.request), self.walls.told)))})"

    @property
    def argv(self) -> list[str]:
        """With this interpreter. No word may contain ``ipykernel``: VS Code would start something else then."""
        more = {"--idle": self.idle, "--image": self.image, "--pip": shlex.join(self.pip) or None}
        words = [word for name, value in more.items() if value is not None for word in (name, value)]
        start = [sys.executable, "-m", PROGRAM, "-f", "{connection_file}"]
        return [*start, _GPU, str(self.request), *words, *str(self.walls).split()]

    def document(self, display_name: str) -> dict[str, Any]:
        """The content of ``kernel.json``."""
        return {
            "argv": self.argv,
            "display_name": display_name,
            "language": "python",
            "interrupt_mode": "message",
            "metadata": {"debugger": True},
        }


def request_of(argv: Sequence[str]) -> str | None:
    """What the kernel with that command line runs on; None where it is another program's."""
    words = list(argv)
    if PROGRAM not in words or words[words.index(PROGRAM) - 1] != "-m":
        return None
    return _option(words, _GPU) or ""


def walls_of(argv: Sequence[str]) -> Walls:
    """What a kernel with that command line asks for around its container; raises `BadRequest`."""
    return Walls.parse(_option(argv, "--isolation"), _option(argv, "--network"))


def _option(argv: Sequence[str], name: str) -> str | None:
    return next((value for word, value in pairwise(argv) if word == name), None)
