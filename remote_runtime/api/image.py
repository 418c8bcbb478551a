"""What is installed in a container: a definition that reads as code, ``Image.debian().pip_install("torch==2.4")``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from os import PathLike
from pathlib import Path


class StepKind(Enum):
    """What a `Step`'s words are.

    `PIP`: arguments of ``pip install``. `APT`: names of Debian packages. `RUN`: one shell command each. `ENV`:
    ``NAME=value`` each. `COPY`: the SHA-256 (hexadecimal) of a tar archive that the gateway was given, and the absolute
    path of the folder in the container where it is unpacked.
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


@dataclass(frozen=True, slots=True, repr=False)
class Image:
    """The environment that a kernel runs in: a base, and what is done to it; the empty one is the spawner's own.

    `python` is the interpreter of an existing environment on the spawner's machine. `base` is a registry's reference.
    `python_version` (``3.12``) is the minor that the environment is made with, the base's or the spawner's own if None.
    A spawner refuses an image that it can't give with `ImageNotSupported`.

    Every method returns another image, with one step more. All raise `BadRequest` for what can't be meant.
    """

    python: str | None = None
    base: str | None = None
    python_version: str | None = None
    steps: tuple[Step, ...] = ()

    # --- to begin with ---

    @classmethod
    def debian(cls, python: str | None = None) -> Image:
        """The spawner's own base, a Debian where it has containers; `python` is a minor such as ``3.12``."""
        from .image_steps import check_python_version

        return cls(python_version=None if python is None else check_python_version(python))

    @classmethod
    def from_registry(cls, reference: str) -> Image:
        """An image of a registry, such as ``pytorch/pytorch:2.4.0-cuda12.4-cudnn9-runtime``: a glibc, Python ≥ 3.11."""
        from .image_steps import check_reference

        return cls(base=check_reference(reference))

    @classmethod
    def from_requirements(cls, path: str | PathLike[str]) -> Image:
        """The packages of a ``requirements.txt``, with those that it includes and its indexes."""
        from .requirements_file import read_requirements

        return cls(steps=(Step(StepKind.PIP, read_requirements(Path(path))),))

    @classmethod
    def from_environment(cls) -> Image:
        """The packages that this Python has, in exactly their versions, with the same minor of Python.

        Without what only notebooks need on this side (JupyterLab, Farcell itself). What was installed from a local
        folder exists here alone: a warning names it.
        """
        from .installed import python_minor, requirements_of_this_environment

        words = requirements_of_this_environment()
        return cls(python_version=python_minor(), steps=(Step(StepKind.PIP, words),) if words else ())

    # --- what is done to it ---

    def pip_install(
        self,
        *packages: str,
        index_url: str | None = None,
        extra_index_url: str | None = None,
    ) -> Image:
        """Python packages as pip takes them: ``torch==2.4``, ``pkg[extra]>=1``, ``name @ git+https://…``."""
        from .image_steps import pip_words

        return self._with(StepKind.PIP, pip_words(packages, index_url, extra_index_url))

    def apt_install(self, *packages: str) -> Image:
        """Debian packages by name: ``ffmpeg``, ``libgl1=1.6.0-1``."""
        from .image_steps import apt_words

        return self._with(StepKind.APT, apt_words(packages))

    def run(self, *commands: str) -> Image:
        """Shell commands, as root, while the image is built."""
        from .image_steps import run_words

        return self._with(StepKind.RUN, run_words(commands))

    def env(self, variables: Mapping[str, str] | None = None, /, **more: str) -> Image:
        """Environment variables of the steps that follow, and of the kernel."""
        from .image_steps import env_words

        return self._with(StepKind.ENV, env_words({**(variables or {}), **more}))

    def copy(self, local: str | PathLike[str], remote: str) -> Image:
        """A file or folder of this machine, as it is now; `remote` is the file's or the folder's absolute path there.

        A file whose `remote` ends with ``/`` keeps its name. What makes no sense elsewhere (``.git``, ``__pycache__``:
        `image_files.IGNORED`) is left out.
        """
        from .image_files import CopySource, remembered_digest

        source = CopySource.of(Path(local), remote)
        return self._with(StepKind.COPY, (remembered_digest(source), source.folder))

    def _with(self, kind: StepKind, words: tuple[str, ...]) -> Image:
        return replace(self, steps=(*self.steps, Step(kind, words)))

    # --- what it is ---

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

    def is_same(self, other: Image) -> bool:
        """Whether they define the same, whatever interpreter is below."""
        return replace(self, python=None) == replace(other, python=None)

    @property
    def files(self) -> tuple[str, ...]:
        """The SHA-256 of every archive that its `COPY` steps unpack."""
        return tuple(dict.fromkeys(step.words[0] for step in self.steps if step.kind is StepKind.COPY))

    def check(self) -> None:
        """Raises `BadRequest` for what no method here makes: a definition may come from anywhere."""
        from .image_steps import check_image

        check_image(self)

    def __repr__(self) -> str:
        from .image_steps import as_code

        return as_code(self)


@dataclass(frozen=True, slots=True)
class SavedImage:
    """An image that its user keeps under a name."""

    name: str
    image: Image
    saved_at: datetime
