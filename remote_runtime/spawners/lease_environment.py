"""A lease's own virtual environment on top of its image's: what cells install goes there, and ends with the lease.

::

    env/bin/python   pip         env/lib/python3.12/site-packages/_farcell_image.pth -> the image's packages
    env/pyvenv.cfg               env/image -> the image's environment, which stays as long as a lease has it

Made by hand, in a millisecond or two: it is on every start's way.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from .process_images import Environment

LAUNCHER = Path(__file__).parents[1] / "agent" / "kernel_launcher.py"
"""Starts a kernel whose environment has no Farcell."""
_PIP = """#!/bin/sh
exec {python} -m pip "$@"
"""


def make_environment(folder: Path, image: Environment) -> Path:
    """Returns its interpreter; what is there already stays."""
    python = folder / "bin" / "python"
    packages = folder / image.packages.relative_to(image.folder)
    packages.mkdir(mode=0o700, parents=True, exist_ok=True)
    python.parent.mkdir(mode=0o700, exist_ok=True)
    (folder / "pyvenv.cfg").write_bytes((image.folder / "pyvenv.cfg").read_bytes())
    below = f"import site; site.addsitedir({str(image.packages)!r})\n"
    (packages / "_farcell_image.pth").write_text(below, "utf-8")
    _link(folder / "image", image.folder)
    _link(python, Path(os.path.realpath(image.python)))
    _link(python.with_name("python3"), Path("python"))
    for name in ("pip", "pip3"):
        (script := python.with_name(name)).write_text(_PIP.format(python=shlex.quote(str(python))), "utf-8")
        script.chmod(0o700)
    return python


def image_of(folder: Path) -> Path | None:
    """The image's environment below that one; None where there is none."""
    try:
        return (folder / "image").readlink()
    except OSError:
        return None


def environment_variables(folder: Path, image: Environment, path: str) -> Mapping[str, str]:
    """What a kernel in it finds; `path` is the ``PATH`` without it."""
    own = os.pathsep.join([str(folder / "bin"), str(image.bin), path])
    return {"PATH": own, **image.variables, "VIRTUAL_ENV": str(folder)}


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
