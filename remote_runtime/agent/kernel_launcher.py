"""``python kernel_launcher.py WORKING_FOLDER ARGUMENTS…``: stock ipykernel, with an image's own Python (3.11 or newer).

It lies in a folder with the agent's kernel extension and runs from there as a file: the image need not have Farcell.
Standard library and ipykernel only.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = "farcell_kernel_side"
EXTENSION = f"{PACKAGE}.kernel_launcher"
_SHARED = 0o007
"""The umask while the kernel's sockets are made: the agent, who is in the kernel's group, connects to them."""
_USUAL = 0o022


def load_ipython_extension(shell: Any) -> None:
    """The sockets are there; what cells make is theirs alone."""
    os.umask(_USUAL)
    from .kernel_extension import load_ipython_extension as load

    load(shell)


def main() -> None:
    sys.path.pop(0)  # this folder, in which nothing is for the user
    package = ModuleType(PACKAGE)
    package.__path__ = [str(Path(__file__).parent)]
    sys.modules[PACKAGE] = package
    work = sys.argv.pop(1)
    os.umask(_USUAL)
    Path(work).mkdir(parents=True, exist_ok=True)
    os.chdir(work)
    os.umask(_SHARED)
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()


if __name__ == "__main__":
    main()
