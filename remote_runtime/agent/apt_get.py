#!/usr/bin/env python3
"""What a cell finds as ``apt-get`` and ``apt``: what needs root is asked of the agent, all else is the image's own.

Standard library only: it runs with the image's Python.
"""

import json
import os
import socket
import sys
from pathlib import Path

SOCKET = "apt.sock"
PROGRAMS = "programs"
"""The folder beside the kernel's launcher in which this file is ``apt-get`` and ``apt``."""
NAMES = ("apt-get", "apt")
FOLDER = "FARCELL_RUN_FOLDER"
"""The variable that names the folder with the agent's socket."""
_SIZE_BYTES = 4
AS_ROOT = ("install", "remove", "update")


def main() -> int:
    words = sys.argv[1:]
    verb = next((word for word in words if not word.startswith("-")), "")
    folder = os.environ.get(FOLDER)
    if verb not in AS_ROOT or folder is None:
        program = f"/usr/bin/{Path(sys.argv[0]).name}"
        os.execv(program, [program, *words])  # noqa: S606
    try:
        return ask(str(Path(folder, SOCKET)), words)
    except OSError:
        sys.exit(
            "apt-get: an image with a base, commands or files of its own gets its packages by .apt_install(…)"
        )


def ask(path: str, words: list[str]) -> int:
    """Shows the answer as it comes."""
    with socket.socket(socket.AF_UNIX) as agent:
        agent.connect(path)
        agent.sendall(json.dumps(words).encode() + b"\n")
        with agent.makefile("rb") as answer:
            while size := int.from_bytes(answer.read(_SIZE_BYTES)):
                sys.stdout.buffer.write(answer.read(size))
                sys.stdout.buffer.flush()
            return int.from_bytes(answer.read(1) or b"\x01")


def piece(said: bytes) -> bytes:
    """Some output, for the other end of `ask`."""
    return len(said).to_bytes(_SIZE_BYTES) + said


def ending(exit_code: int) -> bytes:
    """Nothing comes after it."""
    return bytes(_SIZE_BYTES) + bytes([exit_code & 0xFF])


if __name__ == "__main__":
    sys.exit(main())
