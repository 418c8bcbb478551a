"""The kernel of a run: one that is installed, or a Farcell kernel that is installed nowhere."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_async

from .. import config
from ..api import Walls
from ..errors import BadRequest, FarcellError
from ..kernel_spec import FarcellKernel, request_of, walls_of

START_S = 60.0
LOG_LINES = 20
_OF_ANOTHER_NOTEBOOK = ("JPY_SESSION_NAME", "JPY_PARENT_PID")
"""What a terminal inherits that a front end or a notebook has started."""


class _OneKernel(KernelSpecManager):
    """Knows one kernel spec, whatever it is asked for."""

    def __init__(self, spec: KernelSpec) -> None:
        super().__init__()
        self._spec = spec

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:  # noqa: ARG002 - as the interface has it
        return self._spec


def installed_kernel(name: str) -> KernelSpec:
    """Raises `BadRequest`, which says what is installed."""
    specs = KernelSpecManager()
    try:
        return specs.get_kernel_spec(name)
    except NoSuchKernel:
        there = sorted(specs.find_kernel_specs())
        near = difflib.get_close_matches(name.lower(), there, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(there)}"
        raise BadRequest(f"there is no kernel {name!r}; {hint}") from None


def farcell_kernel(kernel: FarcellKernel) -> KernelSpec:
    return KernelSpec(**kernel.document(kernel.default_display_name))


def of_installed(name: str) -> tuple[str, Walls]:
    """What an installed Farcell kernel of that name runs on, and within; nothing where there is none."""
    try:
        argv = KernelSpecManager().get_kernel_spec(name).argv
        return request_of(argv) or "", walls_of(argv)
    except (NoSuchKernel, OSError, ValueError, TypeError):
        return "", Walls()


class RunKernel:
    """One kernel process from `start` to `end`. `run` is its sessions' name; log and sockets lie in `folder`."""

    def __init__(self, spec: KernelSpec, run: str, folder: Path) -> None:
        # another user of the machine can't look into the folder, but could into a port
        self.manager = AsyncKernelManager(
            kernel_spec_manager=_OneKernel(spec),
            connection_file=str(folder / "kernel.json"),
            transport="tcp" if sys.platform == "win32" else "ipc",
        )
        self._run = run
        self._log = folder / "kernel.log"

    async def start(self, folder: Path) -> AsyncKernelClient:
        """Returns when it answers; a run that has no front end answers no questions."""
        try:
            with self._log.open("wb") as log:
                await self.manager.start_kernel(
                    cwd=str(folder), env=self._environment(), stdout=log, stderr=log
                )
            client: AsyncKernelClient = self.manager.client()
            client.start_channels()
            await client.wait_for_ready(timeout=START_S)
        except (OSError, RuntimeError) as error:
            raise FarcellError(f"the kernel did not start: {error}{self.last_words()}") from error
        client.allow_stdin = False
        return client

    async def interrupt(self) -> None:
        await self.manager.interrupt_kernel()

    async def end(self, *, now: bool) -> None:
        """Asks it to end, with its sessions, and kills it if it does not; `now` kills it at once."""
        try:
            if self.manager.has_kernel:
                await self.manager.shutdown_kernel(now=now)
        finally:
            await ensure_async(self.manager.cleanup_resources())

    def last_words(self) -> str:
        """The end of what it wrote, on lines of its own; empty when that is nothing."""
        lines = self._log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:]
        return "".join(f"\n{line}" for line in lines)

    def _environment(self) -> dict[str, str]:
        inherited = {
            name: value for name, value in config.environment().items() if name not in _OF_ANOTHER_NOTEBOOK
        }
        return inherited | config.run_environment(self._run)
