"""A window of VS Code, which drives kernels without a server as the Jupyter extension does: a Node program of ours."""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
from notebook_driver import Cell

HERE = Path(__file__).parent / "vscode"
DEADLINE_S = 90.0  # above every patience that the extension itself has
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """A kernel.json, as it is read: the window runs its argv itself."""

    name: str
    argv: tuple[str, ...]
    interrupt_mode: str
    env: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> Line:
        return {
            "name": self.name,
            "argv": list(self.argv),
            "language": "python",
            "interrupt_mode": self.interrupt_mode,
            "env": dict(self.env),
        }


class Window:
    """One extension host: the parent of its notebooks' kernels. `environment` is the whole of its own."""

    def __init__(self, node: str, modules: Path, environment: Mapping[str, str], log: Path) -> None:
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [node, HERE / "window.cjs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**environment, "NODE_PATH": str(modules)},
            text=True,
        )
        self._ids = itertools.count()
        self._answers: dict[int, Line] = {}
        self._notebooks: dict[str, Notebook] = {}
        self.kernels: list[psutil.Process] = []
        """Every kernel process that it started and that became ready, the newest last."""
        self._told = threading.Condition()
        self._is_over = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def open(self, path: Path, spec: KernelSpec, *, interrupt_channel: str = "control") -> Notebook:
        """Opens a tab and starts its kernel; returns once the kernel is ready and has run the start-up code."""
        notebook = self._notebooks[str(path)] = Notebook(self, path)
        notebook.became_ready(
            self.ask("open", path, spec=spec.to_json(), interrupt_channel=interrupt_channel)
        )
        return notebook

    def quit(self) -> None:
        """As a person closes it: every kernel gets its SIGTERM. May be called twice, and after `kill`."""
        if self._process.poll() is None:
            self._process.stdin.close()  # type: ignore[union-attr]
            self._process.wait(DEADLINE_S)
        self._end()

    def kill(self) -> None:
        """As the system does when memory is short: nobody tells the kernels."""
        self._process.kill()
        self._process.wait(DEADLINE_S)
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.quit()

    def ask(self, verb: str, path: Path, **words: object) -> Any:
        return self.answer(self.tell(verb, path, **words))

    def tell(self, verb: str, path: Path, **words: object) -> int:
        """The command's number; its answer may be waited for later."""
        number = next(self._ids)
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(json.dumps({"id": number, "verb": verb, "notebook": str(path), **words}) + "\n")
        stdin.flush()
        return number

    def answer(self, number: int) -> Any:
        self.until(lambda: number in self._answers)
        answer = self._answers.pop(number)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def until(self, fact: Callable[[], object], story: Callable[[], object] = str) -> None:
        """Waits while messages come in, until they have made the fact true."""
        deadline = time.monotonic() + DEADLINE_S
        with self._told:
            while not fact():
                assert not self._is_over, f"the window ended before that: {Path(self._log.name).read_text()}"
                self._told.wait(deadline - time.monotonic())
                assert time.monotonic() < deadline, f"it did not come to pass: {story()}"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            line = json.loads(text)
            with self._told:
                if "event" in line:
                    self._notebooks[line["notebook"]].heard(line)
                else:
                    self._answers[line["id"]] = line
                self._told.notify_all()
        with self._told:
            self._is_over = True
            self._told.notify_all()

    def _end(self) -> None:
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()
        self._log.close()


@dataclass(frozen=True, slots=True)
class Started:
    """A kernel that has become ready."""

    pid: int
    connection: Line
    ready_s: float
    start_up: list[Line]
    """What the start-up code put on iopub."""

    @classmethod
    def from_json(cls, told: Line) -> Self:
        return cls(told["pid"], told["connection"], told["ready_ms"] / 1000, told["start_up"])


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What the stop button came to: `success`, `timed out` (the cell runs on), or `no answer`."""

    outcome: str
    seconds: float


class Notebook:
    """A tab and its kernel."""

    def __init__(self, window: Window, path: Path) -> None:
        self.window = window
        self.path = path
        self.started: Started
        self.exits: list[Line] = []
        """How its kernels' processes ended, in order."""
        self.others: list[Line] = []
        """Messages that belong to no cell."""
        self._cells: dict[str, RunningCell] = {}
        self._by_message: dict[str, RunningCell] = {}

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.started.pid)

    def became_ready(self, told: Line) -> None:
        self.started = Started.from_json(told)
        self.window.kernels.append(psutil.Process(self.started.pid))

    def start(self, code: str, **metadata: object) -> RunningCell:
        """Queues a cell: the next one is sent when the one before is done."""
        name = f"W{len(self._cells)}"
        cell = self._cells[name] = RunningCell(self)
        self.window.ask("execute", self.path, cell=name, code=code, metadata=metadata)
        return cell

    def run(self, code: str) -> Cell:
        return self.start(code).end()

    def hidden(self, code: str) -> str:
        """What unseen code of the extension prints."""
        return texts(self.window.ask("hidden", self.path, code=code)["outputs"])

    def variables(self) -> dict[str, str]:
        """Names and types in the Variables pane."""
        return dict(json.loads(texts(self.window.ask("variables", self.path)["outputs"])))

    def request(self, channel: str, msg_type: str, content: Line) -> Line:
        """The content of its reply."""
        asked = {"channel": channel, "msg_type": msg_type, "content": content}
        return dict(self.window.ask("request", self.path, **asked)["reply"])

    def interrupt(self) -> Interrupted:
        told = self.window.ask("interrupt", self.path)
        return Interrupted(told["outcome"], told["ms"] / 1000)

    def restart(self) -> None:
        """Returns once the new kernel is ready and has run the start-up code."""
        self.became_ready(self.window.ask("restart", self.path))

    def close(self) -> None:
        """Closes the tab; the window lives on."""
        self.window.ask("close", self.path)

    def heard(self, line: Line) -> None:
        match line["event"]:
            case "exit":
                self.exits.append(line)
            case "sent":
                self._by_message[line["msg_id"]] = self._cells[line["cell"]]
            case "ended":
                self._cells[line["cell"]].ended(line)
            case "message":
                cell = self._by_message.get(line["parent_header"].get("msg_id", ""))
                if cell is None:
                    self.others.append(line)
                else:
                    cell.heard({**line, "msg_type": line["header"]["msg_type"]})


@dataclass(slots=True)
class RunningCell:
    """A cell that was queued; `cell` grows as its messages come, also after its end."""

    notebook: Notebook
    cell: Cell = field(default_factory=Cell)
    questions: list[str] = field(default_factory=list)
    is_ended: bool = False
    given_up: str = ""
    """Why the extension no longer waits for it, if it never ended."""

    def until(self, seen: Callable[[Cell], object]) -> Self:
        """Waits until the outputs so far fulfil the condition."""
        self.notebook.window.until(lambda: seen(self.cell), lambda: self.cell)
        return self

    def until_prints(self, text: str) -> Self:
        return self.until(lambda cell: text in cell.stdout)

    def until_asks(self, prompt: str) -> Self:
        return self.until(lambda _: prompt in self.questions)

    def answer(self, prompt: str, value: str) -> Self:
        self.until_asks(prompt)
        self.notebook.window.ask("answer", self.notebook.path, value=value)
        return self

    def end(self) -> Cell:
        self.notebook.window.until(lambda: self.is_ended, lambda: self.cell)
        assert not self.given_up, self.given_up
        return self.cell

    def heard(self, message: Line) -> None:
        if message["msg_type"] == "input_request":
            self.questions.append(message["content"]["prompt"])
        elif message["msg_type"] == "execute_reply":
            self.cell.reply = message
            self.cell.number = message["content"].get("execution_count", 0)
        elif message["msg_type"] != "status":
            self.cell.heard(message)

    def ended(self, line: Line) -> None:
        self.is_ended = True
        self.given_up = line.get("error", "")


def texts(outputs: list[Line]) -> str:
    return "".join(one["content"]["text"] for one in outputs if one["msg_type"] == "stream")
