"""What is installed in a container."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Image:
    """The environment that a kernel runs in.

    `python` is the interpreter of an existing environment on the spawner's machine; None is the spawner's
    own. Packages and bases do not exist yet: a spawner refuses an image that it can't give with
    `ImageNotSupported`.
    """

    python: str | None = None
