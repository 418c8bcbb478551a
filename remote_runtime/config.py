"""Where Farcell keeps its things, and what the environment says; nothing else reads `os.environ`.

::

    FARCELL_DATA_DIR   the folder for everything below (default: the platform's user data folder)
    FARCELL_SIMULATE   simulated devices for the embedded gateway, such as H100:2,T4:4
    FARCELL_RUN        set for the kernel of `farcell run`: whose it is, and what its sessions are known by
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path

import platformdirs

MAX_SOCKET_PATH = 100
_RUN = "FARCELL_RUN"
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
GATEWAY_LOCK = "gateway.lock"
"""The file in a gateway's folder that a running gateway holds locked."""


def environment() -> Mapping[str, str]:
    """The process's environment, for a spawner to pass on a part of."""
    return os.environ


def data_dir() -> Path:
    """The user's folder: the embedded gateway's database and leases, the login, the machine's id."""
    return Path(os.environ.get("FARCELL_DATA_DIR") or platformdirs.user_data_path("farcell", appauthor=False))


def simulate() -> str:
    return os.environ.get("FARCELL_SIMULATE", "")


def notebook_path() -> str | None:
    """The notebook's path as Jupyter Server tells its kernels; None elsewhere."""
    return os.environ.get("JPY_SESSION_NAME") or None


def run_environment(name: str) -> dict[str, str]:
    """What `farcell run`, which this process is, adds for its kernel."""
    return {_RUN: f"{os.getpid()} {name}"}


def run_name() -> str | None:
    """What `farcell run` calls the run that this process is the kernel of; None elsewhere.

    Not in a kernel that a cell of the run has started: it inherits the variable, and has another parent. (On Windows
    Jupyter tells no parent.)
    """
    parent, _, name = os.environ.get(_RUN, "").partition(" ")
    told = os.environ.get("JPY_PARENT_PID")
    return name if name and (told == parent or sys.platform == "win32") else None


def machine_id() -> str:
    """A random name for this user on this machine, made once: part of what finds a notebook's sessions again."""
    path = data_dir() / "machine-id"
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        _make_id(path)
        return path.read_text("ascii").strip()


def _make_id(path: Path) -> None:
    """Whole from the beginning, since others may look for it meanwhile; the first one counts."""
    own = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    write_private(own, uuid.uuid4().hex)
    try:
        path.hardlink_to(own)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        own.replace(path)
    own.unlink(missing_ok=True)


def make_private(folder: Path) -> None:
    """Makes a folder, with its parents, that only its user can look into."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def socket_path(folder: Path) -> Path:
    """Where a gateway with that folder listens for agents; in a short folder where its own has too long a path.

    Nothing else lies beside it: containers have its folder mounted, and so find the socket of a restarted gateway, too.
    """
    path = folder / "agents" / "gateway.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"farcell-{name}" / "gateway.sock"


def write_private(path: Path, text: str) -> None:
    """Replaces a file at once, readable by its user alone."""
    make_private(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
