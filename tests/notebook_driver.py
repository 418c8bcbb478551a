"""A notebook as a front end drives it: a real kernel process, cells that are sent to it, and what comes back."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any, Self

from jupyter_client import BlockingKernelClient, KernelManager

DEADLINE_S = 90.0
Message = dict[str, Any]


@dataclass(slots=True)
class Cell:
    """One executed cell: its messages in order, and `outputs`, which is what a front end would show of them."""

    number: int = 0
    reply: Message = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    clear_next: bool = False

    def heard(self, message: Message) -> None:
        self.messages.append(message)
        kind, content = message["msg_type"], message["content"]
        match kind:
            case "clear_output" if content["wait"]:
                self.clear_next = True
            case "clear_output":
                self.outputs.clear()
            case "update_display_data":
                for output in self.outputs:
                    if _display_id(output) == _display_id(content):
                        output.update(content)
            case "stream" | "display_data" | "execute_result" | "error":
                if self.clear_next:
                    self.outputs.clear()
                    self.clear_next = False
                self.outputs.append({"kind": kind, **content})

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [output for output in self.outputs if output["kind"] == kind]

    def stream(self, name: str) -> str:
        return "".join(output["text"] for output in self.of_kind("stream") if output["name"] == name)

    @property
    def stdout(self) -> str:
        return self.stream("stdout")

    @property
    def result(self) -> str:
        """The text of ``Out[n]``."""
        (result,) = self.of_kind("execute_result")
        return str(result["data"]["text/plain"])

    @property
    def notes(self) -> list[str]:
        """Farcell's own lines."""
        return [
            output["data"]["text/plain"]
            for output in self.of_kind("display_data")
            if str(_display_id(output)).startswith("farcell-")
        ]

    @property
    def status(self) -> str:
        return str(self.reply["content"]["status"])

    @property
    def error(self) -> str:
        """Name and message of what the cell raised, as ``ValueError: no``; empty for a cell that ended well."""
        reply = self.reply["content"]
        return f"{reply['ename']}: {reply['evalue']}" if reply["status"] == "error" else ""

    @property
    def traceback(self) -> str:
        """As shown, without colours; fails unless it is shown exactly once."""
        (error,) = self.of_kind("error")
        return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error["traceback"]))


def _display_id(content: Mapping[str, Any]) -> object:
    return (content.get("transient") or {}).get("display_id")


@dataclass(slots=True)
class RunningCell:
    """A cell that was sent and has not ended yet."""

    notebook: Notebook
    msg_id: str
    cell: Cell = field(default_factory=Cell)
    is_idle: bool = False

    def until(self, seen: Callable[[Cell], object]) -> Self:
        """Waits until the outputs so far fulfil the condition; the cell must still run then."""
        deadline = time.monotonic() + DEADLINE_S
        while not seen(self.cell):
            assert not self.is_idle, f"the cell ended before that, with {self.cell.outputs}"
            self._hear(deadline)
        return self

    def until_prints(self, text: str) -> Self:
        return self.until(lambda cell: text in cell.stdout)

    def interrupt(self) -> Self:
        self.notebook.interrupt()
        return self

    def answer(self, prompt: str, value: str) -> Self:
        """Waits for the cell's question, and answers it."""
        request = self.notebook.client.get_stdin_msg(timeout=DEADLINE_S)
        assert request["content"]["prompt"] == prompt
        self.notebook.asked = request["content"]
        self.notebook.client.input(value)
        return self

    def end(self) -> Cell:
        deadline = time.monotonic() + DEADLINE_S
        while not self.is_idle:
            self._hear(deadline)
        while not self.cell.reply:
            reply = self.notebook.client.get_shell_msg(timeout=max(0.0, deadline - time.monotonic()))
            if reply["parent_header"].get("msg_id") == self.msg_id:
                self.cell.reply = reply
        self.cell.number = self.cell.reply["content"].get("execution_count") or 0
        return self.cell

    def _hear(self, deadline: float) -> None:
        try:
            message = self.notebook.client.get_iopub_msg(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            raise TimeoutError(f"nothing more came; so far: {self.cell.outputs}") from None
        if message["parent_header"].get("msg_id") != self.msg_id:
            self.notebook.late.append(message)
        elif message["msg_type"] == "status":
            self.is_idle = message["content"]["execution_state"] == "idle"
        else:
            self.cell.heard(message)


class Notebook:
    """A stock ``python3`` kernel with Farcell loaded. `environment` is the whole of the kernel's.

    `python` is another interpreter than the tests' own, with an ipykernel in it. With `gpu` it is a Farcell kernel.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        load: bool = True,
        python: Path | None = None,
        gpu: str | None = None,
    ) -> None:
        self.manager = KernelManager(kernel_name="python3", transport="ipc", shutdown_wait_time=DEADLINE_S)
        spec = self.manager.kernel_spec
        if gpu is not None:
            spec.argv = [sys.executable, "-m", "farcell.kernel", "-f", "{connection_file}", "--gpu", gpu]
            spec.interrupt_mode = "message"
        if python is not None:
            spec.argv = [str(python), *spec.argv[1:]]
        self.manager.connection_file = str(folder / f"kernel-{time.monotonic_ns()}.json")
        self._log = (folder / "kernel.log").open("ab")  # a restart of the kernel uses it again
        self.manager.start_kernel(env=dict(environment), cwd=str(folder), stdout=self._log, stderr=self._log)
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.asked: dict[str, Any] = {}
        self.late: list[Message] = []
        """What came under a cell after it had ended, or under none."""
        try:
            self.client.wait_for_ready(timeout=DEADLINE_S)
            if load and gpu is None:
                self.run("%load_ext farcell")
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.pid)  # type: ignore[union-attr]

    def start(self, source: str, *, stdin: bool = True) -> RunningCell:
        return RunningCell(self, self.client.execute(source, allow_stdin=stdin))

    def run(self, source: str, *, stdin: bool = False) -> Cell:
        return self.start(source, stdin=stdin).end()

    def value(self, expression: str) -> str:
        """What an expression is in the notebook's own kernel."""
        return self.run(expression).result

    def interrupt(self) -> None:
        """As a front end's stop button."""
        self.manager.interrupt_kernel()

    def hear_late(self, seen: Callable[[Message], object]) -> Message:
        """Waits for a message outside a running cell's that fulfils the condition."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            for message in self.late:
                if seen(message):
                    return message
            self.late.append(self.client.get_iopub_msg(timeout=max(0.0, deadline - time.monotonic())))

    def close(self, *, now: bool = False) -> None:
        """Shuts the kernel down as a front end does; may be called twice."""
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=now)
        self.client.stop_channels()
        self.manager.cleanup_resources()
        if self.manager.context is not None and not self.manager.context.closed:
            self.manager.context.destroy(linger=0)
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
