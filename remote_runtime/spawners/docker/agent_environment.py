"""The agent's own environment: an interpreter with all that the agent imports, for any image to run.

Made once from the gateway's own interpreter and packages, named by its content, read-only in every container::

    bin/python          the interpreter
    lib/ld-linux….so    the dynamic loader, and every shared library that anything here needs: none is the image's
    lib/python3.11/     the standard library, compiled, without what no agent imports; site-packages below it
    kernel/             what the kernel loads of the agent's, as sources for the image's own Python; and its apt-get
"""

from __future__ import annotations

import compileall
import fcntl
import hashlib
import logging
import os
import re
import secrets
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from py_compile import PycInvalidationMode

from ... import agent
from ...agent import apt_get
from ...errors import StartFailed
from . import layout

log = logging.getLogger(__name__)

LAYOUT_VERSION = 2
"""Goes into the name: another way to make the same content is another environment."""
DISTRIBUTIONS = ("msgspec", "nvidia-ml-py", "psutil", "pyzmq", "tornado", "typing_extensions")
PARTS = ("agent", "api", "journal", "logs", "wire")
MODULES = ("*.py", "spawners/__init__.py", "spawners/nvml.py")
"""Of `farcell.remote_runtime`: whole packages, and single modules."""
KERNEL_SIDE = ("kernel_launcher.py", "kernel_extension.py", "kernel_jobs.py")
_LEFT_OUT = (
    *("test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "distutils", "pydoc_data"),
    *("config-*", "site-packages", "dist-packages", "_tkinter*", "_test*", "*.opt-*.pyc", "*.a", "*.pyi"),
)
EMPTY = "empty"
"""A file without content, for what an image must not bring."""
_LOADED_LATER = ("libdl.so.2", "libpthread.so.0", "librt.so.1", "libm.so.6")
"""What libraries of the machine's driver name, which come from outside and must not bring another C library."""
_RESOLVED = re.compile(r"(?:=>\s+|^\s+)(/\S+) \(0x")
UNUSED_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class AgentEnvironment:
    """`folder` is on the machine; `command` runs the agent where it is mounted, but for the lease's folder."""

    folder: Path

    @property
    def command(self) -> tuple[str, ...]:
        loader = next(path.name for path in (self.folder / "lib").glob("ld-linux*"))
        library = f"{layout.AGENT}/lib"
        python = [f"{library}/{loader}", "--library-path", library, f"{layout.AGENT}/bin/python"]
        # -I: nothing of the image's variables or of a working folder has a say in the agent
        return (*python, "-I", "-m", f"{agent.__name__}.contained")

    @property
    def launcher(self) -> str:
        return f"{layout.AGENT}/kernel/{KERNEL_SIDE[0]}"

    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def keep(self) -> None:
        """Marks it as in use, so that it is not cleared away."""
        os.utime(self.folder)


def agent_environment(root: Path) -> AgentEnvironment:
    """The one that fits this gateway, below `root`; made where it lacks (seconds). Blocks; raises `StartFailed`.

    May be called by several processes at once: one makes it, the others wait.
    """
    found = root / content_name()
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (root / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not found.is_dir():
                _clear(root)
                _make(found)
    except (OSError, subprocess.SubprocessError) as error:
        raise StartFailed(f"the agent's environment can't be made in {root}: {error}") from error
    made = AgentEnvironment(found)
    made.keep()
    return made


def content_name() -> str:
    """From what goes in: the interpreter, the packages' versions, and our own sources."""
    digest = hashlib.sha256(f"{LAYOUT_VERSION} {sys.version} {sysconfig.get_platform()} {_LEFT_OUT}".encode())
    for found in _distributions():
        digest.update(f"{found.name} {found.version}".encode())
    for path in sorted(_own_files()):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return f"agent-{digest.hexdigest()[:16]}"


def _make(target: Path) -> None:
    began = time.monotonic()
    making = target.with_name(f".making-{secrets.token_hex(4)}")
    try:
        _fill(making)
        making.chmod(0o755)
        making.rename(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    size = AgentEnvironment(target).size_bytes()
    log.info("agent environment %s: %d MB made in %.1f s", target, size >> 20, time.monotonic() - began)


def _fill(folder: Path) -> None:
    python = folder / "lib" / f"python{sysconfig.get_python_version()}"
    standard = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(standard, python, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    _add_extension_modules(folder, python)
    packages = python / "site-packages"
    for found in _distributions():
        _copy_distribution(found, packages)
    _copy_own(packages)
    (folder / "bin").mkdir()
    shutil.copy(Path(sys.executable).resolve(), folder / "bin" / "python")
    _add_libraries(folder)
    _compile(python)
    (folder / EMPTY).touch()
    kernel = folder / "kernel"
    kernel.mkdir()
    for name in KERNEL_SIDE:
        shutil.copy(_package_folder(agent) / name, kernel / name)
    programs = kernel / apt_get.PROGRAMS
    programs.mkdir()
    for name in apt_get.NAMES:
        shutil.copy(str(apt_get.__file__), programs / name)
        (programs / name).chmod(0o755)
    _open_to_all(folder)


def _add_extension_modules(folder: Path, python: Path) -> None:
    """Where the platform keeps them apart (``lib64``), Python looks for them there, by its prefix."""
    shared = Path(sysconfig.get_config_var("DESTSHARED") or "")
    target = folder / sys.platlibdir / python.name / "lib-dynload"
    if shared.is_dir() and not target.exists():
        shutil.copytree(shared, target, ignore=shutil.ignore_patterns(*_LEFT_OUT))


def _distributions() -> Iterator[Distribution]:
    for name in DISTRIBUTIONS:
        try:
            yield distribution(name)
        except PackageNotFoundError:
            log.warning("the package %s is missing here, and so in the agent's environment", name)


def _copy_distribution(found: Distribution, packages: Path) -> None:
    left_out = {"test", "tests", "__pycache__"}
    for path in found.files or ():
        if ".." in path.parts or left_out & set(path.parts) or path.suffix in (".pyi", ".pxd", ".h"):
            continue
        target = packages / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(str(path.locate()), target)


def _copy_own(packages: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    runtime = _package_folder(agent).parent
    target = packages / "farcell" / "remote_runtime"
    for part in PARTS:
        shutil.copytree(runtime / part, target / part, ignore=ignored)
    for module in _modules(runtime):
        (target / module.relative_to(runtime)).parent.mkdir(exist_ok=True)
        shutil.copy2(module, target / module.relative_to(runtime))
    shutil.copy2(_root_module(), packages / "farcell")
    facts = distribution("farcell")
    named = packages / f"farcell-{facts.version}.dist-info"
    named.mkdir()
    (named / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: farcell\nVersion: {facts.version}\n", "utf-8"
    )


def _own_files() -> Iterator[Path]:
    runtime = _package_folder(agent).parent
    yield from _modules(runtime)
    for part in PARTS:
        yield from (path for path in (runtime / part).rglob("*") if path.suffix in (".py", ".toml"))


def _modules(runtime: Path) -> Iterator[Path]:
    return (path for pattern in MODULES for path in runtime.glob(pattern))


def _root_module() -> Path:
    """A file like any other here: parts don't import the root, which hands on the names of them all."""
    found = find_spec("farcell")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).resolve()


def _package_folder(package: object) -> Path:
    return Path(str(getattr(package, "__file__", ""))).resolve().parent


def _add_libraries(folder: Path) -> None:
    """Those that lie outside of `folder`, as the dynamic loader finds them for everything in it."""
    binaries = [folder / "bin" / "python", *folder.rglob("*.so"), *folder.rglob("*.so.*")]
    found = {path.name: path for path in resolved_libraries(_ldd(binaries)) if folder not in path.parents}
    c_library = next(path for name, path in found.items() if name.startswith("libc.so"))
    beside = {name: c_library.with_name(name) for name in _LOADED_LATER}
    for name, path in {**beside, **found}.items():
        if path.exists():
            shutil.copy(path, folder / "lib" / name)


def _ldd(binaries: Sequence[Path]) -> str:
    said = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False)
    return said.stdout


def resolved_libraries(ldd: str) -> Iterable[Path]:
    """The absolute paths in what ``ldd`` says, as it names them; the loader's among them, but nothing that lacks."""
    return {Path(found[1]) for line in ldd.splitlines() if (found := _RESOLVED.search(line))}


def _compile(python: Path) -> None:
    """Never checked against its source again: nothing here changes."""
    compileall.compile_dir(
        python,
        quiet=2,
        stripdir=str(python.parents[1]),
        prependdir=layout.AGENT,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        force=True,
    )


def _open_to_all(folder: Path) -> None:
    """It is mounted where users differ from this machine's; the folder around it is this user's alone."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def _clear(root: Path) -> None:
    """What a killed gateway left half made, and what no gateway has used for long."""
    for path in root.iterdir():
        unused = path.name.startswith("agent-") and path.stat().st_mtime < time.time() - UNUSED_S
        if unused or path.name.startswith(".making-"):
            shutil.rmtree(path, ignore_errors=True)
