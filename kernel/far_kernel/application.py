"""The program of a Farcell kernel spec: ipykernel's own, with another kernel and its arguments."""

from __future__ import annotations

import os

from ipykernel.kernelapp import IPKernelApp, kernel_aliases
from traitlets import Dict

from .kernel import FarcellKernel


class FarcellKernelApp(IPKernelApp):
    """``python -m farcell.kernel -f CONNECTION_FILE --gpu H100``."""

    name = "farcell-kernel"
    aliases = Dict(
        {
            **kernel_aliases,
            "gpu": "FarcellKernel.gpu",
            "name": "FarcellKernel.session_name",
            "idle": "FarcellKernel.idle",
            "network": "FarcellKernel.network",
            "isolation": "FarcellKernel.isolation",
            "image": "FarcellKernel.image",
            "pip": "FarcellKernel.pip",
        }
    )
    classes = [*IPKernelApp.classes, FarcellKernel]  # noqa: RUF012 (a trait)
    kernel_class = FarcellKernel

    def init_poller(self) -> None:
        """Where processes have parents the kernel looks after its own: ipykernel's way ends it without a goodbye."""
        if os.name != "posix":
            super().init_poller()
