"""The kernel spec of a Farcell kernel, on a path of its own."""

from __future__ import annotations

import json
from pathlib import Path

from farcell.remote_runtime.api import Request
from farcell.remote_runtime.kernel_spec import FarcellKernel

NAME = "farcell-h100"


def install_spec(folder: Path) -> None:
    """`folder` becomes one for ``JUPYTER_PATH``."""
    place = folder / "kernels" / NAME
    place.mkdir(parents=True)
    document = FarcellKernel(Request.parse("H100"), None).document("Farcell (H100)")
    (place / "kernel.json").write_text(json.dumps(document))
