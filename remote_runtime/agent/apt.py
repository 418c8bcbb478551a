"""Debian's packages in a running container: ``apt-get`` as its root, for a kernel that is nobody there.

The agent listens on a socket that the kernel's user reaches; `apt_get` is what a cell calls in apt-get's place. Only
packages are named from there, by names that a repository knows: what runs as root is apt, and the scripts of packages
that the image's own sources sign. Root has few of its powers here: packages with files of other users can't be
unpacked, and belong into an image.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from .apt_get import SOCKET, ending, piece

_log = logging.getLogger(__name__)

APT_GET = Path("/usr/bin/apt-get")
OPTIONS = (
    "-y",
    "-q",
    "-o",
    "APT::Sandbox::User=root",
    "-o",
    "Dpkg::Use-Pty=0",
    "-o",
    "Dpkg::Options::=--force-confold",
)
VERBS = ("install", "remove", "update")
_ALLOWED = ("--no-install-recommends", "--no-install-suggests", "--reinstall")
_ANYWAY = ("-y", "--yes", "--assume-yes", "-q", "-qq", "-yq", "-yqq", "-qy", "-qqy", "--quiet")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?([=/][A-Za-z0-9.+~:-]+)?", re.ASCII)
_MAX_REQUEST_BYTES = 1 << 16
_MISSING, _REFUSED = 127, 100


def apt_command(words: Sequence[str]) -> list[str]:
    """What is run for what was typed behind ``apt-get``. Raises `ValueError` with a sentence for all else."""
    given = [word for word in words if word not in _ANYWAY]
    options = [word for word in given if word in _ALLOWED]
    verb, *packages = [word for word in given if word not in _ALLOWED] or [""]
    if verb not in VERBS or (verb == "update") == bool(packages):
        raise ValueError(
            f"only {', '.join(VERBS)} are done here, with names of packages: all else belongs into an image"
        )
    strange = [package for package in packages if not _PACKAGE.fullmatch(package)]
    if strange:
        raise ValueError(
            f"{strange[0][:200]!r} is neither a package's name nor an option that can be given here"
        )
    return [str(APT_GET), *OPTIONS, *options, verb, *packages]


class AptDesk:
    """One command at a time. `proxies` are the variables by which a repository is reached, if any."""

    def __init__(self, folder: Path, group: int, proxies: Mapping[str, str]) -> None:
        self._path = folder / SOCKET
        self._group = group
        self._environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "DEBIAN_FRONTEND": "noninteractive",
            "LC_ALL": "C.UTF-8",
            **proxies,
        }
        self._turn = asyncio.Lock()

    async def serve(self) -> None:
        """Until it is cancelled."""
        server = await asyncio.start_unix_server(self._answer, self._path, limit=_MAX_REQUEST_BYTES)
        os.chown(self._path, -1, self._group)
        self._path.chmod(0o660)
        async with server:
            await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """In pieces, as `apt_get` reads them. Who goes away does not end what was begun: dpkg would be half done."""
        with contextlib.closing(writer), contextlib.suppress(OSError):
            try:
                command = apt_command([str(word) for word in json.loads(await reader.readline())])
            except (ValueError, TypeError) as error:
                writer.write(piece(f"apt-get: {error}\n".encode()) + ending(_REFUSED))
            else:
                async with self._turn:
                    writer.write(ending(await self._run(command, writer)))
            await writer.drain()

    async def _run(self, command: Sequence[str], writer: asyncio.StreamWriter) -> int:
        if not await asyncio.to_thread(APT_GET.exists):
            writer.write(piece(b"apt-get: this image is not Debian's: it has no apt-get\n"))
            return _MISSING
        _log.info("root runs %s", " ".join(command[1 + len(OPTIONS) :]))
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
            cwd="/",
            user=0,
            group=0,
            extra_groups=[],
            start_new_session=True,
            umask=0o022,
        )
        assert process.stdout is not None
        while said := await process.stdout.read(1 << 14):
            if not writer.is_closing():
                writer.write(piece(said))
                with contextlib.suppress(OSError):
                    await writer.drain()
        return await process.wait()
