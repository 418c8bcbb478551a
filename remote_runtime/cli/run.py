"""``farcell run``: a notebook from its first cell to its last, without a front end."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets import List, Unicode

from ..api import Walls
from ..api.duration import parse_duration
from ..errors import BadRequest, FarcellError
from ..kernel_spec import FarcellKernel
from .command import DEBUG_FLAG, Command, console, notices
from .request import ISOLATION_HELP, NETWORK_HELP, packages, read_request

if TYPE_CHECKING:
    from jupyter_client.kernelspec import KernelSpec
    from nbformat import NotebookNode

    from ..headless.execution import Run


class RunNotebook(Command):
    name = "farcell run"
    description = (
        "Runs a notebook from its first cell to its last on a GPU of its own, keeps it with its outputs after each "
        "cell, and tells what it cost. Exit status: 0; 1 if a cell failed; 2 for what can't be run; 130 if interrupted."
    )
    arguments = "NOTEBOOK"
    shown_log_level = logging.CRITICAL
    """What nbclient and jupyter_client log as errors is told in a sentence."""
    placeholders = {
        "output": "PATH",
        "parameter": "NAME=VALUE",
        "timeout": "TIME",
        "idle": "TIME",
        "pip": "PACKAGES",
    }
    gpu = Unicode(help="what it runs on").tag(config=True)
    output = Unicode(help="where the notebook with its outputs goes").tag(config=True)
    parameters = List(Unicode(), help="variables to set").tag(config=True)
    kernel = Unicode(help="an installed kernel to run it with").tag(config=True)
    timeout = Unicode(help="how long one cell may run").tag(config=True)
    idle = Unicode(help="how long its session may be idle until it stops").tag(config=True)
    network = Unicode(help="what its container reaches").tag(config=True)
    isolation = Unicode(help="what stands between its container and the machine").tag(config=True)
    image = Unicode(help="the image that it runs in").tag(config=True)
    pip = List(Unicode(), help="packages to install").tag(config=True)
    aliases: dict[Any, Any] = {
        "gpu": ("RunNotebook.gpu", "H100, H100:2, H100,L40S, 24GB, cpu (default: as the notebook's kernel)"),
        ("o", "output"): ("RunNotebook.output", "where to keep it (default: NOTEBOOK.out.ipynb beside it)"),
        ("p", "parameter"): (
            "RunNotebook.parameters",
            "set a variable behind the cell tagged 'parameters'; may be given several times",
        ),
        ("k", "kernel"): ("RunNotebook.kernel", "use an installed kernel in place of --gpu"),
        "timeout": ("RunNotebook.timeout", "interrupt a cell that has run for that time, and fail"),
        "idle": ("RunNotebook.idle", "the idle time until the session stops (default: 5m)"),
        "network": ("RunNotebook.network", NETWORK_HELP),
        "isolation": ("RunNotebook.isolation", ISOLATION_HELP),
        "image": ("RunNotebook.image", "the name of a saved image, or a registry's reference"),
        "pip": ("RunNotebook.pip", "packages to install first, as in --pip 'torch transformers'"),
    }
    flags: dict[str, Any] = DEBUG_FLAG

    def run(self) -> None:
        from ..headless import jobs, notebook_file, parameters
        from ..headless.execution import Run
        from ..headless.kernels import RunKernel
        from ..headless.screen import Screen

        if self.kernel and any((self.gpu, self.idle, self.network, self.isolation, self.image, self.pip)):
            raise BadRequest(
                "a kernel that is installed (-k) has a --gpu, an --idle, walls and an image of its own"
            )
        timeout_s = parse_duration(self.timeout) if self.timeout else None
        values = parameters.parse_parameters(self.parameters)
        path = Path(self.extra_args[0])
        notebook = notebook_file.read_notebook(path)
        _tell_unknown(parameters.unknown_parameters(notebook, values))
        spec = self._kernel_spec(notebook)
        output = Path(self.output) if self.output else path.with_name(f"{path.stem}.out.ipynb")
        file = notebook_file.NotebookFile(output)
        if values:
            parameters.inject(notebook, values)
        jobs.wait_at_the_end(notebook)
        notebook_file.forget_outputs(notebook)

        console.print(f"{path} with {spec.display_name}, kept in {output}")
        name = f"{path.name} (run {uuid.uuid4().hex[:8]})"
        screen = Screen(console, sum(map(notebook_file.is_run, notebook.cells)))
        with tempfile.TemporaryDirectory(prefix="farcell-run-") as folder:
            kernel = RunKernel(spec, name, Path(folder))
            run = Run(notebook, kernel, file, screen, path.resolve().parent, timeout_s)
            stopped = asyncio.run(_execute(run, name))
        if stopped is not None:
            notices.print("farcell: interrupted; what ran for it is ended")
            raise SystemExit(128 + stopped)

    def _kernel_spec(self, notebook: NotebookNode) -> KernelSpec:
        from ..headless.kernels import farcell_kernel, installed_kernel, of_installed

        if self.kernel:
            return installed_kernel(self.kernel)
        written_for = notebook.metadata.get("kernelspec", {})
        language = written_for.get("language") or notebook.metadata.get("language_info", {}).get("name")
        if language and "python" not in language:
            raise BadRequest(
                f"its cells are written in {language}, and Farcell's kernels run Python: -k names another kernel"
            )
        if self.idle:
            parse_duration(self.idle)
        request, walls = of_installed(written_for.get("name", ""))
        walls = Walls.parse(self.isolation, self.network).over(walls)
        image = (self.image or None, packages(self.pip))
        return farcell_kernel(
            FarcellKernel(read_request(self.gpu or request), self.idle or None, walls, *image)
        )


async def _execute(run: Run, name: str) -> int | None:
    """The signal that stopped it, if one did; the far sessions have ended and their cost is told, whatever happened."""
    from ..headless.costs import cost_lines, settle
    from ..headless.execution import Stopped

    try:
        await run.execute()
    except Stopped as stopped:
        return stopped.number
    finally:
        try:
            for line in cost_lines(await settle(name)):
                console.print(line)
        except FarcellError as error:
            notices.print(f"what it cost can't be told: {error}")
    return None


def _tell_unknown(unknown: Mapping[str, str | None]) -> None:
    for name, near in unknown.items():
        hint = f"; did you mean {near}?" if near else ""
        notices.print(f"the cell tagged 'parameters' sets no {name}{hint}")
