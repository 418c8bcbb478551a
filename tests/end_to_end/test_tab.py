"""Tab and Shift-Tab in a ``%%gpu`` cell of an ordinary kernel: the far kernel knows, and is not waited for long."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psutil
import pytest
from far_machine import FarMachine, eventually
from notebook_driver import Notebook
from widget_front_end import WidgetFrontEnd

QUICK = "%config IPCompleter.use_jedi = False"
"""Jedi reads the standard library before its first answer, which takes much longer than anybody waits."""


@pytest.fixture
def notebook(machine: FarMachine) -> Iterator[Notebook]:
    notebook = machine.notebook()
    notebook.run(QUICK)
    notebook.run("near_name = 1")
    assert not notebook.run(f"%%gpu cpu -q\n{QUICK}\nfar_name = 2\nimport time").error
    yield notebook
    notebook.close()


@pytest.fixture
def front_end(notebook: Notebook) -> WidgetFrontEnd:
    return WidgetFrontEnd(notebook)


def matches(front_end: WidgetFrontEnd, code: str, *, subshell: str | None = None) -> list[str]:
    found: list[str] = front_end.complete(code, subshell=subshell)["matches"]
    return found


def kernel_of(machine: FarMachine) -> psutil.Process:
    session = next(s for s in machine.sessions() if s.name == "cpu" and not s.state.is_over)
    (kernel,) = [one for one in machine.of_lease(session) if "ipykernel_launcher" in " ".join(one.cmdline())]
    return kernel


def test_far_names_are_completed_in_the_whole_cells_positions(front_end: WidgetFrontEnd):
    code = "%%gpu cpu -q\nb = 'ü😀'\nx = far_na|me + 1"
    reply = eventually(lambda: (r := front_end.complete(code))["matches"] == ["far_name"] and r)
    start = code.index("far_na")
    assert (reply["cursor_start"], reply["cursor_end"]) == (start, start + len("far_na"))
    (typed,) = reply["metadata"]["_jupyter_types_experimental"]
    assert (typed["start"], typed["end"], typed["text"]) == (start, start + 6, "far_name")


def test_shift_tab_tells_about_the_far_value(front_end: WidgetFrontEnd):
    eventually(lambda: "int" in front_end.inspect("%%gpu\nprint(far_name|)"))


def test_other_cells_and_the_magics_own_line_are_answered_here(front_end: WidgetFrontEnd):
    assert matches(front_end, "near_na|") == ["near_name"]
    assert matches(front_end, "far_na|") == []
    assert "far_name" not in matches(front_end, "%%gpu far_na|\npass")


def test_without_a_session_the_answer_is_the_local_one_and_nothing_starts(own_machine: FarMachine):
    notebook = own_machine.notebook()
    notebook.run(QUICK)
    notebook.run("near_name = 1")
    assert matches(WidgetFrontEnd(notebook), "%%gpu H100\nnear_na|") == ["near_name"]
    with pytest.raises(AssertionError, match="no gateway has been started"):
        own_machine.sessions()


def test_a_stopped_session_is_not_started_by_tab(machine: FarMachine, notebook: Notebook, front_end):
    notebook.run("%gpu stop")
    assert matches(front_end, "%%gpu\nnear_na|") == ["near_name"]
    assert all(one.state.is_over for one in machine.sessions() if one.name == "cpu")


def test_a_busy_far_kernel_answers_beside_its_cell(notebook: Notebook, front_end: WidgetFrontEnd):
    subshell = front_end.control("create_subshell_request", {})["subshell_id"]
    running = notebook.start("%%gpu -q\nprint('begun', flush=True)\nwhile True: time.sleep(0.01)")
    running.until_prints("begun")
    code = "%%gpu\nfar_na|"
    eventually(lambda: matches(front_end, code, subshell=subshell) == ["far_name"])
    running.interrupt().end()


@pytest.mark.parametrize("stopped", ["kernel", "gateway"])
def test_one_that_does_not_answer_is_not_waited_for(
    machine: FarMachine, notebook: Notebook, front_end: WidgetFrontEnd, stopped: str
):
    process = kernel_of(machine) if stopped == "kernel" else machine.gateway
    process.send_signal(signal.SIGSTOP)
    try:
        assert matches(front_end, "%%gpu\nnear_na|") == ["near_name"]
    finally:
        process.send_signal(signal.SIGCONT)
    eventually(lambda: matches(front_end, "%%gpu\nfar_na|") == ["far_name"])


def test_each_session_is_asked_for_its_own_names(notebook: Notebook, front_end: WidgetFrontEnd):
    assert not notebook.run(f"%%gpu cpu -n other -q\n{QUICK}\nother_name = 1").error
    eventually(lambda: matches(front_end, "%%gpu -n other\nother_na|") == ["other_name"])
    eventually(lambda: matches(front_end, "%%gpu cpu\nfar_na|") == ["far_name"])
    assert matches(front_end, "%%gpu cpu\nother_na|") == []
