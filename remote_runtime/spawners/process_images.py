"""Images for the process spawner: cached environments, one for each definition, made by uv.

::

    <folder>/<key>/                 a virtual environment; there, or not: it is made elsewhere and renamed at the end
        farcell-image.json          `Environment`, beside what uv puts there; its time is that of its last use
    <folder>/.<key>.<pid>.<nonce>/  one that is being made, or was when its gateway was killed

A definition with a Python of its own (`python_version`) begins empty; all others lie on top of the packages of the
interpreter that the image names, the notebook's, or of the gateway's own.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ..api import BuildProgress, Image
from ..api.image import Step, StepKind
from ..api.image_steps import describe, environment, split_pip, variables
from ..api.json_form import encode
from ..config import make_private
from ..errors import BuildFailed, ImageNotSupported
from .uv import SAID_AT_MOST, Uv, UvFailed

_log = logging.getLogger(__name__)

Tell = Callable[[BuildProgress], None]

NEEDED = ("ipykernel>=6.29,<8", "cloudpickle>=3.1", "pip")
"""What every environment has at last: the kernel, what sends variables, and what installs more."""
FACTS = "farcell-image.json"
MAX_ENVIRONMENTS = 20
MAX_BYTES = 50 << 30
_FACTS_CODE = """
import json, os, site, sys
folders = [site.getusersitepackages(), *site.getsitepackages()]
print(json.dumps(["%d.%d" % sys.version_info[:2], [path for path in folders if os.path.isdir(path)]]))
"""
_LACKING_CODE = """
import importlib.metadata, json, sys
have = {one.name.lower() for one in importlib.metadata.distributions()}
print(json.dumps([one for one in sys.argv[1:] if one.split(">")[0] not in have]))
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """A built image: its folder, its site-packages, and the variables that it sets."""

    folder: Path
    packages: Path
    variables: Mapping[str, str]

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"

    @classmethod
    def read(cls, folder: Path) -> Environment | None:
        try:
            facts = json.loads((folder / FACTS).read_text("utf-8"))
            return cls(folder, folder / facts["packages"], facts["variables"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


class ProcessImages:
    """One for a spawner's folder. `in_use` says which environments' containers run: those are never evicted."""

    def __init__(
        self,
        folder: Path,
        variables: Mapping[str, str],
        in_use: Callable[[], Collection[Path]] = tuple,
    ) -> None:
        self._folder = folder
        self._uv = Uv(variables)
        self._in_use = in_use
        self._locks: dict[str, asyncio.Lock] = {}

    # --- what is there ---

    def find(self, image: Image) -> Environment | None:
        """The environment of an image that was built; reading it counts as its use."""
        found = Environment.read(self._path(image))
        if found is not None:
            with suppress(FileNotFoundError):
                os.utime(found.folder / FACTS)
        return found

    def _path(self, image: Image) -> Path:
        """One for each definition and each interpreter under it: after an upgrade of that it is made anew."""
        base = image.python or sys.executable
        key = hashlib.sha256(f"{image.digest} {base} {os.path.realpath(base)}".encode()).hexdigest()
        return self._folder / key[:32]

    # --- building ---

    async def build(self, image: Image, tell: Tell) -> None:
        """As `Spawner.build`."""
        check(image)
        path = self._path(image)
        if self.find(image) is not None:
            return
        async with self._locks.setdefault(path.name, asyncio.Lock()):
            if self.find(image) is None:
                await self._build(image, path, tell)
        await asyncio.to_thread(self._clean, path)

    async def _build(self, image: Image, path: Path, tell: Tell) -> None:
        make_private(self._folder)
        made = self._folder / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}"
        try:
            found = await _Making(self._uv, image, made, tell).run()
            (made / FACTS).write_bytes(
                encode({"packages": str(found.relative_to(made)), "variables": environment(image)})
            )
            with suppress(OSError):  # somebody else was quicker
                made.rename(path)
        finally:
            await asyncio.to_thread(shutil.rmtree, made, ignore_errors=True)
        _log.info("image %s is built in %s", image.digest[:12], path)

    # --- making room ---

    def _clean(self, newest: Path) -> None:
        """Removes what killed gateways have half made, and what was not used for longest beyond the bounds."""
        found: list[tuple[float, Path]] = []
        for path in self._folder.iterdir():
            if path.name.startswith("."):
                if not _is_being_made(path):
                    shutil.rmtree(path, ignore_errors=True)
                continue
            with suppress(FileNotFoundError):
                found.append(((path / FACTS).stat().st_mtime, path))
        kept = {newest, *self._in_use()}
        used = 0
        for count, (_, path) in enumerate(sorted(found, reverse=True), start=1):
            used += _size(path)
            if (count > MAX_ENVIRONMENTS or used > MAX_BYTES) and path not in kept:
                _log.info("the environment %s makes room", path)
                remove(path)


def check(image: Image) -> None:
    """Raises `ImageNotSupported` for what takes walls: a process spawner's containers share this machine's system."""
    word = {StepKind.APT: "apt packages", StepKind.RUN: "commands", StepKind.COPY: "copied files"}
    lacks = ["a registry's image"] if image.base else []
    lacks += [word[step.kind] for step in image.steps if step.kind in word]
    if lacks:
        raise ImageNotSupported(
            f"{' and '.join(dict.fromkeys(lacks))} can't be had here: this gateway runs plain processes, "
            "whose images are Python packages and variables; the spawner docker has all of it"
        )


def remove(path: Path) -> None:
    """At once out of everybody's sight, whatever interrupts the rest."""
    gone = path.with_name(f".{path.name}.0.{secrets.token_hex(4)}")
    with suppress(OSError):
        path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _is_being_made(path: Path) -> bool:
    """Whether its process lives. A number that another process has taken since leaves it for a later day."""
    pid = path.name.split(".")[2:3]
    return bool(pid) and pid[0].isdigit() and psutil.pid_exists(int(pid[0]))


def _size(path: Path) -> int:
    """Of its own files: what uv links from its cache is counted as if it were copied."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 (many files)
    return total


class _Making:
    """One environment while it is made in the folder `made`."""

    def __init__(self, uv: Uv, image: Image, made: Path, tell: Tell) -> None:
        self._uv = uv
        self._image = image
        self._made = made
        self._python = made / "bin" / "python"
        self._tell = tell
        self._number = 0
        self._total = 2 + sum(step.kind is StepKind.PIP for step in image.steps)
        self._variables: dict[str, str] = {}

    async def run(self) -> Path:
        """Returns its site-packages."""
        packages = await self._begin()
        for step in self._image.steps:
            if step.kind is StepKind.ENV:
                self._variables |= variables(step)
            else:
                await self._install(step)
        if lacking := json.loads(await _says(self._python, _LACKING_CODE, *NEEDED)):
            words = [*_INSTALL, "--python", str(self._python), *lacking]
            await self._do(f"what a kernel needs: {' '.join(lacking)}", words)
        return packages

    async def _begin(self) -> Path:
        version, base = self._image.python_version, self._image.python or sys.executable
        minor, below = json.loads(await _says(base, _FACTS_CODE))
        chosen = version if version not in (None, minor) else base
        words = ["venv", "--relocatable", "--no-project", "--python", str(chosen), str(self._made)]
        await self._do(f"Python {version or minor}", words)
        packages = self._made / "lib" / f"python{version or minor}" / "site-packages"
        if version is None:
            lines = [f"import site; site.addsitedir({path!r})\n" for path in below]
            (packages / "_farcell_below.pth").write_text("".join(lines), "utf-8")
        return packages

    async def _install(self, step: Step) -> None:
        options, packages = split_pip(step.words)
        options = tuple("--prerelease=allow" if one == "--pre" else one for one in options)
        words = [*_INSTALL, "--python", str(self._python), *options, "--", *packages]
        await self._do(describe(step), words)

    async def _do(self, what: str, words: list[str]) -> None:
        self._number += 1
        number = self._number

        def line(text: str) -> None:
            self._tell(BuildProgress(number, self._total, what, text))

        self._tell(BuildProgress(number, self._total, what))
        try:
            await self._uv.run(words, self._variables, line)
        except UvFailed as failure:
            last = "\n".join(failure.lines[-SAID_AT_MOST:])
            where = f"step {number} of {self._total} ({what})"
            raise BuildFailed(f"{where} failed:\n{last}", step=number, what=what) from failure


_INSTALL = ("pip", "install", "--no-progress")


async def _says(python: str | Path, code: str, *words: str) -> str:
    """What that Python prints."""
    try:
        process = await asyncio.create_subprocess_exec(
            *(str(python), "-P", "-c", code, *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise BuildFailed(f"{python} does not run: {error.strerror}") from error
    try:
        said, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise BuildFailed(f"{python} does not run: {complaint.decode(errors='replace').strip()[-500:]}")
    return said.decode()
