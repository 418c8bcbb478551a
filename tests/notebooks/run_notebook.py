"""Runs notebooks with nbclient on a kernel of a given spec, in a folder of its own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any
from uuid import uuid4

from jupyter_client import AsyncKernelClient, AsyncKernelManager
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_core.paths import jupyter_runtime_dir
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from normal_form import normal_form
from traitlets import DottedObjectName, Type, default

CELL_TIMEOUT_S = 60
LOOK_AGAIN_S = 0.2
WHERE = "import os\nprint(os.getcwd(), os.path.expanduser('~'), sep='\\n')"


class _Channel(AsyncZMQSocketChannel):
    """Looks again every moment.

    nbclient sends the messages of Output widgets while it waits for a reply on the same socket. jupyter_client
    sends them past pyzmq's asyncio, which then isn't told of the reply before the whole of the timeout is over.
    """

    async def get_msg(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        timeout = options.pop("timeout", None)
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                return await super().get_msg(*arguments, timeout=min(left, LOOK_AGAIN_S), **options)
            except Empty:
                if left <= LOOK_AGAIN_S:
                    raise


class _Client(AsyncKernelClient):
    shell_channel_class = Type(_Channel)


class _KernelManager(AsyncKernelManager):
    client_class = DottedObjectName(f"{__name__}._Client")
    client_factory = Type(_Client)

    @default("transport")
    def _default_transport(self) -> str:
        return "ipc"

    @default("connection_file")
    def _default_connection_file(self) -> str:
        """Absolute, as the sockets lie beside it; its folder's name has to be short."""
        return str(Path(jupyter_runtime_dir()) / f"kernel-{uuid4().hex}.json")


@dataclass(frozen=True, slots=True)
class Kernel:
    """One that notebooks run on, one after the other, as in one window; what one leaves there is there for the next."""

    manager: _KernelManager
    client: _Client

    async def run(self, notebook: NotebookNode) -> dict[str, Any]:
        """Its normal form. A last cell, which is not part of it, tells where the cells ran."""
        notebook.cells.append(new_code_cell(WHERE))
        waits = {"timeout": CELL_TIMEOUT_S, "iopub_timeout": CELL_TIMEOUT_S}
        runner = NotebookClient(notebook, km=self.manager, **waits)
        runner.kc = self.client
        await runner.async_execute()
        told = notebook.cells.pop().outputs
        work, home = "".join(output.text for output in told).split()
        return normal_form(notebook, {work: "<folder>", home: "<home>"})


@asynccontextmanager
async def started(kernel_name: str, folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Kernel]:
    """In `folder`, where it writes its log beside the folder that the cells see."""
    work = folder / "work"
    work.mkdir(parents=True)
    manager = _KernelManager(kernel_name=kernel_name)
    with (folder / "kernel.log").open("wb") as log:
        await manager.start_kernel(env=dict(environment), cwd=str(work), stdout=log, stderr=log)
    client = manager.client()
    client.start_channels()
    client.allow_stdin = False
    try:
        await client.wait_for_ready(timeout=CELL_TIMEOUT_S)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel()
