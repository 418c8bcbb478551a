"""A lease's folder as the process spawner fills it, and the register of the folders in use.

::

    home/           the kernel's home folder
    env/            its virtual environment, on top of its image's (gone after `stop`)
    work/           its working folder
    run/            unix sockets; elsewhere when its path is too long for them
    token           the agent's token            (0600, gone after `stop`)
    agent.json      `AgentSettings`              (0600)
    container.log   what agent and kernel print  (0600)
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..api import Device, GatewayId, LeaseId, SessionId
from ..api.json_form import encode
from ..errors import StartFailed
from .containment import Labels
from .contract import ContainerSpec

LONGEST_RUN_FOLDER = 75
"""A unix socket's path has 107 bytes on Linux, 103 on macOS: this leaves the names in the folder at least 27."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What an agent is told, as ``agent.json``; paths are absolute. The token is not among it: it is in `token_file`.

    `python` is the kernel's interpreter; `socket` is where the gateway listens; `run` is for the agent's own sockets.
    `egress` is the socket of the gateway's proxy: where it is given, the agent opens the way there to the kernel.
    `kernel_uid` is the user that the kernel runs as, and `launcher` the file that starts it; None where both processes
    are one user's, and of one environment. `apt`: whether the agent installs Debian's packages for the kernel.
    """

    gateway_id: GatewayId
    session_id: SessionId
    lease_id: LeaseId
    socket: str
    token_file: str
    python: str
    home: str
    work: str
    run: str
    log: str
    devices: tuple[Device, ...]
    egress: str | None = None
    kernel_uid: int | None = None
    launcher: str | None = None
    apt: bool = False


@dataclass(frozen=True, slots=True)
class LeaseFolder:
    """The paths in the folder `path` of one lease."""

    path: Path
    lease_id: LeaseId

    @property
    def home(self) -> Path:
        return self.path / "home"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def environment(self) -> Path:
        return self.path / "env"

    @property
    def token(self) -> Path:
        return self.path / "token"

    @property
    def settings(self) -> Path:
        return self.path / "agent.json"

    @property
    def log(self) -> Path:
        return self.path / "container.log"

    @property
    def run(self) -> Path:
        inside = self.path / "run"
        return inside if len(os.fsencode(inside)) <= LONGEST_RUN_FOLDER else self._short_run

    @property
    def _short_run(self) -> Path:
        return Path(tempfile.gettempdir()) / f"farcell-{self.lease_id}"

    def fill(self, spec: ContainerSpec, python: str, launcher: Path | None = None) -> None:
        """Makes all of it; what is there already stays, but token and settings are written anew.

        With a `launcher`, it starts the kernel.
        """
        for folder in (self.home, self.work):
            folder.mkdir(mode=0o700, exist_ok=True)
        _make_private(self.run)
        write_private(self.token, spec.token.encode())
        write_private(self.settings, encode(self._agent_settings(spec, python, launcher)))
        self.log.touch(mode=0o600)

    def clear(self) -> None:
        """Removes what must not outlive the container: the token, the sockets, what its cells installed."""
        self.token.unlink(missing_ok=True)
        for folder in (self.path / "run", self._short_run, self.environment):
            shutil.rmtree(folder, ignore_errors=True)

    def _agent_settings(self, spec: ContainerSpec, python: str, launcher: Path | None) -> AgentSettings:
        return AgentSettings(
            gateway_id=spec.gateway_id,
            session_id=spec.session_id,
            lease_id=spec.lease_id,
            socket=str(spec.socket.absolute()),
            token_file=str(self.token),
            python=python,
            home=str(self.home),
            work=str(self.work),
            run=str(self.run),
            log=str(self.log),
            devices=spec.devices,
            launcher=None if launcher is None else str(launcher),
        )


def _make_private(folder: Path) -> None:
    """A folder of this user's alone; what somebody else has put in its place in a shared folder is refused."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StartFailed(
            f"the folder for sockets, {folder}, is not this user's alone: remove it and try again"
        )


def write_private(path: Path, data: bytes) -> None:
    """Anew, for this user alone."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


class Register:
    """Which containers were started and not yet stopped: a folder of symbolic links, named by labels, to lease folders.

    It tells a container whose processes are all gone from one that never was.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, labels: Labels, folder: Path) -> None:
        """Does nothing when it is there."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        link = self._root / labels.name
        if not link.is_symlink():
            link.symlink_to(folder)

    def holds(self, labels: Labels) -> bool:
        return (self._root / labels.name).is_symlink()

    def labels(self) -> set[Labels]:
        return {labels for path in self._root.glob("farcell.*") if (labels := Labels.from_name(path.name))}

    def folder(self, lease_id: LeaseId) -> LeaseFolder | None:
        try:
            link = self._link(lease_id)
            return LeaseFolder(link.readlink(), lease_id) if link else None
        except FileNotFoundError:  # another gateway process was quicker to stop it
            return None

    def remove(self, lease_id: LeaseId) -> None:
        if link := self._link(lease_id):
            link.unlink(missing_ok=True)

    def _link(self, lease_id: LeaseId) -> Path | None:
        found = (labels for labels in self.labels() if labels.lease_id == lease_id)
        return next((self._root / labels.name for labels in found), None)
