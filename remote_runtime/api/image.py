"""What is installed in a container."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import Enum


class StepKind(Enum):
    """What a `Step`'s words are.

    `PIP`: arguments of ``pip install``. `APT`: names of Debian packages. `RUN`: one shell command each. `ENV`:
    ``NAME=value`` each. `COPY`: the SHA-256 (hexadecimal) of a tar archive that the gateway was given, and the folder
    or file in the container where its content goes.
    """

    PIP = "pip"
    APT = "apt"
    RUN = "run"
    ENV = "env"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class Step:
    """One layer of an image; carried out in its order."""

    kind: StepKind
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """The environment that a kernel runs in: a base, and what is done to it; the empty one is the spawner's own.

    `python` is the interpreter of an existing environment on the spawner's machine. `base` is a registry's reference.
    `python_version` (``3.12``) is the minor that the environment is made with, the base's or the spawner's own if None.
    A spawner refuses an image that it can't give with `ImageNotSupported`.
    """

    python: str | None = None
    base: str | None = None
    python_version: str | None = None
    steps: tuple[Step, ...] = ()

    @property
    def is_built(self) -> bool:
        """Whether there is anything to build before a container can start."""
        return bool(self.base or self.python_version or self.steps)

    @property
    def digest(self) -> str:
        """Names the definition by its content, 64 hexadecimal digits: equal definitions are built once."""
        steps = [[step.kind.value, *step.words] for step in self.steps]
        content = json.dumps([self.python, self.base, self.python_version, steps], separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()
