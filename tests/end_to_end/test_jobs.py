"""Jobs: cells that run on while the next ones run, whose output comes under their own cell or to who waits."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from far_machine import FarMachine, eventually
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from notebook_driver import DEADLINE_S, Cell, Message, Notebook

from farcell.remote_runtime.api import Bill, SessionState, from_json

GATED = """
import pathlib, time
print('begun', flush=True)
while not pathlib.Path({path!r}).exists():
    time.sleep(0.01)
"""


def job(source: str, line: str = "") -> str:
    return f"%%gpu --bg {line}\n{textwrap.dedent(source).strip()}"


def gated(gate: Path, source: str = "", line: str = "") -> str:
    return job(GATED.format(path=str(gate)) + textwrap.dedent(source), line)


class Watched:
    """A notebook with a person: what comes late is shown under its cell."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook

    def begin(self, source: str) -> Cell:
        """Its cell ends when the job has begun."""
        cell = self.notebook.run(source, stdin=True)
        assert not cell.error
        return cell

    def verb(self, line: str) -> Cell:
        return self.notebook.run(f"%gpu {line}", stdin=True)

    def said(self, line: str) -> str:
        return self.verb(line).result

    def late(self, cell: Cell, seen: Callable[[Cell], object]) -> Cell:
        """The cell with what came under it since, as soon as that fulfils the condition."""
        parent = cell.reply["parent_header"]["msg_id"]
        shown = Cell(messages=list(cell.messages), outputs=[dict(output) for output in cell.outputs])
        heard: list[Message] = []

        def enough(message: Message) -> object:
            if message not in heard:
                heard.append(message)
                if message["parent_header"].get("msg_id") == parent:
                    shown.heard(message)
            return seen(shown)

        if not seen(shown):
            self.notebook.hear_late(enough)
        return shown


def is_told(words: str) -> Callable[[Cell], object]:
    return lambda cell: any(words in note for note in cell.notes)


@pytest.fixture(scope="module", params=["an ordinary kernel", "a Farcell kernel"])
def watched(request: pytest.FixtureRequest, machine: FarMachine) -> Watched:
    """A session, ``cpu``, is that of its ``%%gpu``."""
    if request.param == "an ordinary kernel":
        notebook = machine.notebook("ordinary.ipynb")
        assert not notebook.run("%%gpu cpu\nimport os").error
    else:
        notebook = machine.far_notebook("far.ipynb", gpu="cpu")
        assert not notebook.run("import os").error
    return Watched(notebook)


def far(watched: Watched, source: str) -> Cell:
    """A foreground cell."""
    return watched.notebook.run(f"%%gpu\n{source}", stdin=True)


# --- beside other cells ---


def test_the_next_cells_here_and_there_run_while_a_job_does(watched: Watched, tmp_path: Path):
    gate = tmp_path / "gate"
    begun = watched.begin(gated(gate, "print('end of', wanted)\n6 * 7"))
    assert watched.notebook.value("1 + 1") == "2"
    assert far(watched, "wanted = 'the job'\nprint(os.getpid())").stdout.strip().isdigit()
    gate.touch()
    late = watched.late(begun, is_told(" · $"))
    assert late.stdout == "begun\nend of the job\n"
    assert [result["execution_count"] for result in late.of_kind("execute_result")] == [begun.number]


def test_a_jobs_line_tells_that_it_runs_and_then_its_time_and_cost(watched: Watched, tmp_path: Path):
    gate = tmp_path / "gate"
    begun = watched.begin(gated(gate))
    assert " runs on cpu · 0 s" in begun.notes[0]
    watched.late(begun, lambda cell: any(f"runs on cpu · {n} s" in cell.notes[0] for n in range(1, 30)))
    gate.touch()
    (line,) = watched.late(begun, is_told(" · $")).notes
    assert line.startswith(begun.notes[0].split(" runs")[0])
    assert line.endswith(" · cpu")


def test_a_result_and_an_error_come_under_the_jobs_own_cell(watched: Watched):
    result = watched.begin(job("6 * 7"))
    assert watched.late(result, is_told(" · $")).result == "42"
    failing = watched.begin(job("print('before')\n1 / 0"))
    late = watched.late(failing, is_told("failed: ZeroDivisionError: division by zero · "))
    assert [output["ename"] for output in late.of_kind("error")] == ["ZeroDivisionError"]
    assert watched.verb("wait").error == "ZeroDivisionError: division by zero"


def test_a_cell_that_a_job_clears_keeps_its_line(watched: Watched):
    begun = watched.begin(
        job("from IPython.display import clear_output\nprint('old')\nclear_output()\nprint('new')")
    )
    late = watched.late(begun, is_told(" · $"))
    assert late.stdout == "new\n"
    assert len(late.notes) == 1


def test_a_widget_of_a_job_is_live_while_it_runs(watched: Watched, tmp_path: Path):
    gate = tmp_path / "gate"
    begun = watched.begin(
        job(
            f"""
            import ipywidgets, pathlib, time
            slider = ipywidgets.IntSlider()
            slider.observe(lambda change: pathlib.Path({str(gate)!r}).touch(), 'value')
            display(slider)
            while not pathlib.Path({str(gate)!r}).exists():
                time.sleep(0.01)
            print('moved to', slider.value)
            """
        )
    )
    opened = watched.late(
        begun,
        lambda cell: any(
            "application/vnd.jupyter.widget-view+json" in one["data"] for one in cell.of_kind("display_data")
        ),
    )
    (view,) = [
        one["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
        for one in opened.of_kind("display_data")
        if "application/vnd.jupyter.widget-view+json" in one["data"]
    ]
    assert any(
        one["msg_type"] == "comm_open" and one["content"]["comm_id"] == view for one in opened.messages
    )
    client = watched.notebook.client
    data = {"method": "update", "state": {"value": 7}, "buffer_paths": []}
    client.shell_channel.send(client.session.msg("comm_msg", {"comm_id": view, "data": data}))
    assert not watched.verb("wait").error
    assert watched.late(begun, is_told(" · $")).stdout == "moved to 7\n"


def test_several_jobs_run_at_once(watched: Watched, tmp_path: Path):
    one, two = tmp_path / "one", tmp_path / "two"
    first = watched.begin(job(f"open({str(one)!r}, 'w').close()\n" + GATED.format(path=str(two))))
    second = watched.begin(job(GATED.format(path=str(one)) + f"open({str(two)!r}, 'w').close()"))
    assert not watched.verb("wait").error
    for cell in (first, second):
        assert watched.late(cell, is_told(" · $")).stdout == "begun\n"


# --- waiting ---


def test_a_wait_returns_when_the_job_is_over(watched: Watched, tmp_path: Path):
    gate = tmp_path / "gate"
    watched.begin(gated(gate))
    waiting = watched.notebook.start("%gpu wait", stdin=True)
    waiting.until(is_told("waiting for job "))
    gate.touch()
    ended = waiting.end()
    assert not ended.error
    assert ended.outputs == []


def test_an_interrupt_ends_the_waiting_and_not_the_job(watched: Watched, tmp_path: Path):
    gate = tmp_path / "gate"
    begun = watched.begin(gated(gate))
    waiting = watched.notebook.start("%gpu wait", stdin=True)
    waiting.until(is_told("waiting for job "))
    stopped = waiting.interrupt().end()
    assert "KeyboardInterrupt: no longer waiting; still running: job " in stopped.traceback
    assert "  runs   " in watched.said("jobs")
    gate.touch()
    assert not watched.verb("wait").error
    watched.late(begun, is_told(" · $"))


def test_a_wait_raises_what_a_job_has_raised(watched: Watched):
    watched.begin(job("raise ValueError('no')"))
    assert watched.verb("wait").error == "ValueError: no"
    assert watched.said("wait") == "no job is left to wait for"
    number = watched.said("jobs").splitlines()[-1].split()[0]
    assert watched.verb(f"wait {number}").error == "ValueError: no"


def test_what_there_is_not_is_told(machine: FarMachine, watched: Watched):
    fresh = Watched(machine.notebook("fresh.ipynb"))
    assert fresh.said("wait") == "no jobs yet: %%gpu --bg makes one of its cell"
    assert fresh.said("jobs") == "no jobs yet: %%gpu --bg makes one of its cell"
    assert fresh.verb("wait 1").error == (
        "BadRequest: there is no job '1'; there are none: %%gpu --bg makes one"
    )
    watched.begin(job("pass"))
    assert not watched.verb("wait").error
    assert watched.verb("wait 1000").error.startswith("BadRequest: there is no job '1000'; there are: 1")
    assert watched.verb("cancel").error.startswith("BadRequest: %gpu cancel takes one job's number")


# --- ending ---


@pytest.mark.parametrize(
    ("source", "raised"),
    [
        ("while True: pass", "KeyboardInterrupt"),
        ("import time\nwhile True: time.sleep(0.05)", "KeyboardInterrupt"),
        ("import asyncio\nawait asyncio.sleep(1000)", "CancelledError"),
        ("import subprocess\nsubprocess.run(['sleep', '1000'])", "KeyboardInterrupt"),
    ],
    ids=["computes", "sleeps", "awaits", "runs a program"],
)
def test_a_cancel_interrupts_that_job_and_nothing_else(
    watched: Watched, tmp_path: Path, source: str, raised: str
):
    gate = tmp_path / "gate"
    other = watched.begin(gated(gate))
    begun = watched.begin(job(source))
    number = begun.notes[0].split()[1]
    running = watched.notebook.start(f"%gpu cancel {number}", stdin=True)
    assert f"job {number} was cancelled · " in running.end().result
    late = watched.late(begun, is_told(f"job {number} was cancelled · "))
    assert [output["ename"] for output in late.of_kind("error")] == [raised]
    assert not far(watched, "1").error
    gate.touch()
    assert not watched.verb("wait").error
    assert watched.late(other, is_told(" · $")).of_kind("error") == []


def test_a_job_inside_native_code_is_told_to_stop_and_stops_when_that_returns(watched: Watched):
    begun = watched.begin(job("import time\ntime.sleep(12)\nprint('never')"))
    number = begun.notes[0].split()[1]
    assert "still inside native code" in watched.said(f"cancel {number}")
    late = watched.late(begun, is_told("was cancelled"))
    assert "never" not in late.stdout


def test_a_job_that_has_ended_needs_no_cancel(watched: Watched):
    begun = watched.begin(job("pass"))
    assert not watched.verb("wait").error
    number = begun.notes[0].split()[1]
    assert watched.said(f"cancel {number}") == f"job {number} has ended before"


def test_a_job_that_runs_longer_than_its_timeout_is_interrupted(watched: Watched):
    begun = watched.begin(job("import time\nwhile True: time.sleep(0.05)", "--timeout 1s"))
    assert watched.verb("wait").error == (
        "CellTimeout: the job ran longer than its --timeout of 1 s and was interrupted"
    )
    watched.late(begun, is_told("timed out"))


def test_a_question_in_a_job_is_an_error_and_the_next_cell_may_ask(watched: Watched):
    watched.begin(job("input('who? ')"))
    assert watched.verb("wait").error == (
        "StdinNotImplementedError: a job can't ask: input() works in cells without --bg"
    )
    asking = watched.notebook.start("%%gpu\nprint(input('who? '))")
    assert asking.answer("who? ", "ada").end().stdout == "ada\n"


def test_a_restart_leaves_the_jobs_outcome_unknown(watched: Watched, tmp_path: Path):
    begun = watched.begin(gated(tmp_path / "never"))
    assert not watched.verb("restart").error
    assert watched.verb("wait").error.startswith("OutcomeUnknown: the kernel of session cpu was restarted")
    watched.late(begun, is_told("has an unknown outcome"))
    assert not far(watched, "import os").error


# --- what it is for the session ---


def test_a_session_with_a_job_is_busy_and_the_bill_has_the_cells_number(
    own_machine: FarMachine, tmp_path: Path
):
    watched = Watched(own_machine.notebook("bill.ipynb"))
    gate = tmp_path / "gate"
    begun = watched.begin(gated(gate, line="cpu --idle 1s"))
    watched.late(begun, lambda cell: any(f"runs on cpu · {n} s" in cell.notes[0] for n in range(4, 30)))
    assert own_machine.session("cpu").state is SessionState.BUSY
    gate.touch()
    assert not watched.verb("wait").error
    lines = [
        line
        for line in from_json(Bill, own_machine.get("/farcell/v1/bill")).lines
        if not line.is_idle and line.number == begun.number
    ]
    assert [line.status for line in lines] == ["ok"]
    assert lines[0].duration_ms >= 4000


def test_a_job_outlives_its_notebooks_kernel_and_nothing_of_it_is_lost(
    own_machine: FarMachine, tmp_path: Path
):
    gate = tmp_path / "gate"
    first = Watched(own_machine.notebook("kept.ipynb"))
    first.begin(gated(gate, "print('after')\nkept = 41", line="cpu"))
    first.notebook.close(now=True)
    gate.touch()
    eventually(lambda: own_machine.session("cpu").state is SessionState.IDLE)
    again = own_machine.notebook("kept.ipynb")
    cell = again.run("%%gpu cpu\nprint(kept + 1)")
    assert cell.stdout == "begun\nafter\n42\n"
    assert cell.notes[0].startswith("while you were away (1 cell")


def test_the_end_of_its_session_ends_a_job_with_an_unknown_outcome(own_machine: FarMachine, tmp_path: Path):
    watched = Watched(own_machine.notebook("ends.ipynb"))
    begun = watched.begin(gated(tmp_path / "never", line="cpu"))
    assert not watched.verb("stop").error
    assert watched.verb("wait").error.startswith("OutcomeUnknown: session cpu was stopped")
    watched.late(begun, is_told("has an unknown outcome"))


def test_what_can_not_be_had_is_refused_in_the_jobs_cell(machine: FarMachine):
    notebook = machine.notebook()
    assert notebook.run("%%gpu B200 --bg\npass").error.startswith("NoSuchOffer: ")
    assert notebook.run("%%gpu cpu --bg -q\npass").error == (
        "BadRequest: a job is known by the line under its cell: --bg and -q don't go together"
    )


# --- without a person ---


def test_farcell_run_waits_at_the_end_for_jobs_that_nobody_waits_for(machine: FarMachine):
    path = machine.home / "train.ipynb"
    source = "import time\ntime.sleep(0.5)\nprint('trained')"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(job(source))]), path)
    command = [Path(sys.executable).parent / "farcell", "run", path, "--gpu", "T4"]
    ended = subprocess.run(
        command, check=False, env=machine.environment, cwd=machine.home, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    begun, waited = nbformat.read(machine.home / "train.out.ipynb", as_version=4).cells
    assert waited.source == "%gpu wait"
    assert texts(begun) == texts(waited)[:1]
    assert texts(waited)[1:] == ["trained\n"]


def run_through(
    machine: FarMachine, *sources: str
) -> tuple[nbformat.NotebookNode, CellExecutionError | None]:
    """As nbclient does; the notebook with its outputs, and what stopped it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = NotebookClient(notebook, kernel_name="python3", timeout=DEADLINE_S)
    try:
        client.execute(env=machine.environment)
    except CellExecutionError as error:
        return notebook, error
    return notebook, None


def texts(cell: nbformat.NotebookNode) -> list[str]:
    """Streams and displays, in their order."""
    return [
        output.get("text") or output["data"]["text/plain"] for output in cell.outputs if "ename" not in output
    ]


def test_nbclients_wait_shows_what_would_have_come_late(machine: FarMachine):
    counting = "import time\nfor i in range(20):\n    print(i, flush=True)\n    time.sleep(0.05)\n6 * 7"
    notebook, error = run_through(
        machine, "%load_ext farcell", job(counting, "L4"), "%%gpu\nprint('beside')", "%gpu wait"
    )
    assert error is None
    _, begun, beside, waited = notebook.cells
    assert len(texts(begun)) == 1
    assert texts(begun)[0].endswith(" · L4 (simulated)")
    assert texts(beside)[0] == "beside\n"
    line, *shown = texts(waited)
    assert line == texts(begun)[0]
    assert "".join(shown) == "".join(f"{i}\n" for i in range(20)) + "42"


def test_nbclients_wait_stops_the_run_at_a_jobs_error(machine: FarMachine):
    notebook, error = run_through(
        machine, "%load_ext farcell", job("print('before')\n1 / 0", "L4"), "%gpu wait", "print('never')"
    )
    assert error is not None
    assert error.ename == "ZeroDivisionError"
    assert "before\n" in texts(notebook.cells[2])
    assert notebook.cells[3].outputs == []
