"""uv, which makes environments and installs packages into them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase

from .environment import ALLOWED

SAID_AT_MOST = 20
"""So many of its last lines are told when it fails."""
_KEPT = 1000
_OWN = ("HOME", "XDG_*", "UV_*", "GIT_*", "SSH_AUTH_SOCK", "NETRC", "RUSTUP_*", "CARGO_*")
"""What it gets of the gateway's environment beside what containers get: its cache, its indexes and their keys."""
_LINE_BYTES = 1 << 16


class UvFailed(Exception):
    """It ended with an error; `lines` are the last that it said."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("uv failed")
        self.lines = lines


class Uv:
    """`variables` are the gateway's own environment."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = {
            name: value
            for name, value in variables.items()
            if any(fnmatchcase(name, one) for one in (*ALLOWED, *_OWN))
        }

    async def run(self, words: Sequence[str], more: Mapping[str, str], line: Callable[[str], None]) -> None:
        """Calls `line` with each line that it says; raises `UvFailed`. When cancelled, nothing of it goes on."""
        from uv import find_uv_bin

        process = await asyncio.create_subprocess_exec(
            *(find_uv_bin(), *words),
            env={**more, **self._variables, "UV_SYSTEM_CERTS": "1", "NO_COLOR": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=_LINE_BYTES,
        )
        try:
            lines = await _read(process, line)
            if await process.wait() != 0:
                raise UvFailed(lines)
        finally:
            await _end(process)


async def _read(process: asyncio.subprocess.Process, line: Callable[[str], None]) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    while data := await _next_line(process.stdout):
        text = data.decode(errors="replace").rstrip()
        if text:
            lines = [*lines[-_KEPT:], text]
            line(text)
    return lines


async def _next_line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError:  # longer than a line can be; the rest comes as the next
        return b"...\n"


async def _end(process: asyncio.subprocess.Process) -> None:
    """With all that it has started, in its own process group."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        while process.returncode is None:
            with suppress(asyncio.CancelledError):
                await process.wait()
