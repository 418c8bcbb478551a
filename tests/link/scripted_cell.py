"""Cells that print, show, update and ask, with the exact list of what must come of them; and what came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from farcell.remote_runtime.client.cell import CellRun, Ended, Event, InputRequest, LinkDown, LinkUp
from farcell.remote_runtime.client.cell import Output as OutputEvent

Shown = tuple[str, str]
"""Its kind, and its text; of streams, all that comes between two others."""


@dataclass(slots=True)
class Script:
    """A cell's source and what it shows. It notes each of its runs in the file `runs`."""

    runs: Path
    lines: list[str] = field(default_factory=list)
    expected: list[Shown] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    printed: int = 0

    def __post_init__(self) -> None:
        self.lines += [
            "import time as _t",
            "from IPython.display import display as _d",
            f"open({str(self.runs)!r}, 'a').write('run\\n')",
        ]

    @property
    def source(self) -> str:
        return "\n".join(self.lines)

    @property
    def times_run(self) -> int:
        return len(self.runs.read_text().splitlines()) if self.runs.exists() else 0

    def prints(self, text: str) -> None:
        self.lines.append(f"print({text!r}, flush=True)")
        append(self.expected, ("stream", text + "\n"))
        self.printed += 1

    def shows(self, text: str, display_id: str) -> None:
        self.lines.append(f"_h = _d({{'text/plain': {text!r}}}, raw=True, display_id={display_id!r})")
        append(self.expected, ("display_data", text))

    def updates(self, text: str, display_id: str) -> None:
        self.lines.append(f"_d({{'text/plain': {text!r}}}, raw=True, update=True, display_id={display_id!r})")
        append(self.expected, ("update_display_data", text))

    def asks(self, prompt: str) -> None:
        self.lines.append(f"print(input({prompt!r}), flush=True)")
        self.questions.append(prompt)
        append(self.expected, ("stream", answer_to(prompt) + "\n"))

    def pauses(self, seconds: float) -> None:
        self.lines.append(f"_t.sleep({seconds:.3f})")

    def waits(self) -> None:
        """Until the test says `go_on`: what it does before that comes while the cell runs, however slow the machine."""
        self.lines.append(f"import os as _o\nwhile not _o.path.exists({str(self._gate)!r}): _t.sleep(0.01)")

    def go_on(self) -> None:
        self._gate.touch()

    @property
    def _gate(self) -> Path:
        return self.runs.with_name(f"{self.runs.name}.go-on")


def answer_to(prompt: str) -> str:
    return f"answer to {prompt}"


def script_of(random: Random, runs: Path, steps: int = 40) -> Script:
    script = Script(runs)
    for step in range(steps):
        match random.choices(("print", "burst", "show", "update", "ask"), (10, 2, 4, 4, 1))[0]:
            case "print":
                script.prints(f"line {step} " + "x" * random.choice((0, 10, 3000)))
            case "burst":
                for number in range(50):
                    script.prints(f"burst {step}.{number}")
            case "show":
                script.shows(f"shown {step} " + "y" * random.choice((0, 20_000)), "one")
            case "update":
                script.updates(f"updated {step}", "one")
            case "ask" if len(script.questions) < 2:
                script.asks(f"question {step}")
        script.pauses(random.choice((0.0, 0.01, 0.05, 0.1)))
    return script


@dataclass(slots=True)
class Told:
    """What a client heard of a cell."""

    shown: list[Shown] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    broken: int = 0
    is_linked: bool = True
    end: Ended | None = None

    def hear(self, event: Event) -> None:
        match event:
            case OutputEvent(msg_type="stream", content=content):
                append(self.shown, ("stream", content["text"]))
            case OutputEvent(msg_type="error", content=content):
                append(self.shown, ("error", content["evalue"]))
            case OutputEvent(msg_type=kind, content=content):
                append(self.shown, (kind, content["data"]["text/plain"]))
            case InputRequest(prompt=prompt):
                self.questions.append(prompt)
            case LinkDown():
                self.broken += 1
                self.is_linked = False
            case LinkUp():
                self.is_linked = True
            case Ended():
                self.end = event

    @property
    def text(self) -> str:
        return "".join(text for kind, text in self.shown if kind == "stream")


def append(shown: list[Shown], one: Shown) -> None:
    if shown and one[0] == shown[-1][0] == "stream":
        shown[-1] = ("stream", shown[-1][1] + one[1])
    else:
        shown.append(one)


def follow(
    run: CellRun,
    *,
    within_s: float = 60.0,
    until: Callable[[Told], object] | None = None,
    told: Told | None = None,
) -> Told:
    """Hears and answers until the cell's end, or until what was told so far fulfils the condition."""
    told = told or Told()
    while told.end is None and not (until and until(told)):
        event = run.next(within_s)
        told.hear(event)
        if isinstance(event, InputRequest):
            run.answer(event, answer_to(event.prompt))
    return told
