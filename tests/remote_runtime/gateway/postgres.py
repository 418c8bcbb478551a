"""A PostgreSQL server of the tests' own, from the programs that the system has."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FROM_DEBIAN = "/usr/lib/postgresql"
UNPRIVILEGED = "postgres"
"""The server refuses to run as root; this is the user that Debian's package makes."""


def programs() -> Path | None:
    """The folder of the newest version's programs; Debian keeps it off PATH."""
    found = sorted(Path(FROM_DEBIAN).glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def server(bin_folder: Path) -> Iterator[str]:
    """Runs one on loopback; gives the URL of its database, to which a path can be added for others."""
    folder = Path(tempfile.mkdtemp(prefix="farcell-postgres-"))
    port = _free_port()
    try:
        if os.getuid() == 0:
            shutil.chown(folder, UNPRIVILEGED)
        _run(
            [
                bin_folder / "initdb",
                "--username=farcell",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-sync",
                "-D",
                folder / "data",
            ]
        )
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        )
        control = [bin_folder / "pg_ctl", "-D", folder / "data", "-w"]
        _run([*control, "-l", folder / "log", "-o", options, "start"])
        try:
            yield f"postgresql+psycopg://farcell@127.0.0.1:{port}"
        finally:
            _run([*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: Sequence[str | Path]) -> None:
    user = pwd.getpwnam(UNPRIVILEGED).pw_name if os.getuid() == 0 else None
    given = [str(part) for part in command]
    subprocess.run(
        given, check=True, stdout=subprocess.DEVNULL, user=user, cwd="/", env={"LC_ALL": "C", "PATH": "/bin"}
    )
