"""What Jupyter has to know to start a Farcell kernel, installed or made for one run; pure."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .api import Request

PROGRAM = "farcell.kernel"
_GPU = "--gpu"


@dataclass(frozen=True, slots=True)
class FarcellKernel:
    """A kernel whose cells run on what `request` asks for; `idle` is a duration as typed."""

    request: Request
    idle: str | None = None

    @property
    def default_name(self) -> str:
        """``farcell-h100-2``: letters, digits, ``-``, ``_`` and ``.`` are all that Jupyter allows."""
        return "farcell-" + re.sub(r"[^a-z0-9._-]+", "-", str(self.request).lower())

    @property
    def default_display_name(self) -> str:
        return f"Farcell ({self.request})"

    @property
    def argv(self) -> list[str]:
        """With this interpreter. No word may contain ``ipykernel``: VS Code would start something else then."""
        idle = [] if self.idle is None else ["--idle", self.idle]
        return [sys.executable, "-m", PROGRAM, "-f", "{connection_file}", _GPU, str(self.request), *idle]

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
    return words[words.index(_GPU) + 1] if _GPU in words[:-1] else ""
